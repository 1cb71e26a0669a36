"""A stand-in for Ray's dashboard, which shows within seconds what a client makes of its answers."""

import asyncio
import threading
import time
from email.utils import formatdate
from typing import Any, Self

from aiohttp import web

LOG = 'hello\nREPORT {"listed": 3}\n'


class Dashboard:
    """Keeps jobs; each runs until its state was asked for three times, prints `log` and ends with `exit_code`.

    With a `refusal`, which is Ray's message, it ends without having begun. Its times are by `clock`. A job seems to be
    `age` seconds old when it is submitted.

    Use as a context manager; it serves at `url` in a thread of its own. With a `token`, requests need it.
    """

    def __init__(self, log: str = LOG, token: str = "") -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.exit_code = 0
        self.refusal = ""
        self.endless = False
        self.clock = time.time
        self.age = 0.0
        self.submitted = threading.Event()
        self.url = ""
        self._log = log
        self._token = token
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()

    def __enter__(self) -> Self:
        started = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(started),))
        self._thread.start()
        started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
        self._loop.close()

    async def submit(self, request: web.Request) -> web.Response:
        job = await request.json()
        self.jobs[job["submission_id"]] = {**job, "status": "RUNNING", "driver_node_id": "node", "asked": 0}
        self.jobs[job["submission_id"]]["start_time"] = (self.clock() - self.age) * 1000
        self.submitted.set()
        return web.json_response(job)

    async def job(self, request: web.Request) -> web.Response:
        if (job := self.jobs.get(request.match_info["job"])) is None:
            return web.Response(status=404)
        job["asked"] += 1
        if job["status"] == "RUNNING" and job["asked"] > 3 and not self.endless:
            job.update(status="FAILED" if self.exit_code else "SUCCEEDED", driver_exit_code=self.exit_code)
            if self.refusal:
                reason = "RUNTIME_ENV_SETUP_FAILURE"
                job.update(status="FAILED", driver_exit_code=None, message=self.refusal, error_type=reason)
        return web.json_response(job)

    async def stop(self, request: web.Request) -> web.Response:
        self.jobs[request.match_info["job"]]["status"] = "STOPPED"
        return web.json_response({"stopped": True})

    async def tail(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(self._log)
        while self.jobs[request.match_info["job"]]["status"] == "RUNNING":
            await asyncio.sleep(0.01)
        await socket.close()
        return socket

    async def file(self, request: web.Request) -> web.Response:
        return web.Response(text=self._log.splitlines()[-1] + "\n" if request.query["lines"] == "1" else self._log)

    async def version(self, request: web.Request) -> web.Response:
        return web.json_response({"ray_version": "2", "session_name": "session"})

    async def package(self, request: web.Request) -> web.Response:
        return web.Response()

    @web.middleware
    async def _authenticate(self, request: web.Request, handler: Any) -> Any:
        if self._token and request.headers.get("Authorization") != f"Bearer {self._token}":
            return web.Response(status=403 if "Authorization" in request.headers else 401)
        response = await handler(request)
        if not response.prepared:
            response.headers["Date"] = formatdate(self.clock(), usegmt=True)
        return response

    async def _serve(self, started: threading.Event) -> None:
        app = web.Application(middlewares=[self._authenticate])
        app.router.add_get("/api/version", self.version)
        app.router.add_get("/api/packages/gcs/{name}", self.package)
        app.router.add_post("/api/jobs/", self.submit)
        app.router.add_get("/api/jobs/{job}", self.job)
        app.router.add_post("/api/jobs/{job}/stop", self.stop)
        app.router.add_get("/api/jobs/{job}/logs/tail", self.tail)
        app.router.add_get("/api/v0/logs/file", self.file)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        started.set()
        await self._ended.wait()
        await runner.cleanup()
