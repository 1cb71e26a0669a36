"""A proxy in front of a real Ray head on which a test can hold, refuse, count and cut what goes through."""

import asyncio
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

HOP_BY_HOP = {"connection", "content-encoding", "content-length", "host", "transfer-encoding", "upgrade"}


@dataclass
class Rule:
    """What happens to requests whose "METHOD /path" matches: an answer of the gateway's own, or a hold."""

    pattern: re.Pattern[str]
    status: int = 0
    text: str = ""
    location: str = ""
    held: str = ""  # "before" it reaches the head, or its "answer"
    times: int = -1
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


class Gateway:
    """Serves at `url` in a thread of its own; everything goes to `target` and back unless a rule says otherwise."""

    def __init__(self, target: str, tls: ssl.SSLContext | None = None) -> None:
        self._target = target
        self._tls = tls
        self._rules: list[Rule] = []
        self._sockets: set[web.WebSocketResponse] = set()
        self._closing: list[asyncio.Task[Any]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for rule in self._rules:
            rule.released.set()
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(auto_decompress=True)
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{port}"

    async def _stop(self) -> None:
        await self._session.close()
        await self._runner.cleanup()

    @contextmanager
    def hold(self, pattern: str, where: str) -> Iterator[Rule]:
        """Hold the next matching request `before` it reaches the head, or its `answer`, until the block ends."""
        rule = Rule(re.compile(pattern), held=where, times=1)
        self._rules.insert(0, rule)
        try:
            yield rule
        finally:
            rule.released.set()
            self._rules.remove(rule)

    @contextmanager
    def answers(self, pattern: str, status: int, text: str = "", times: int = -1, location: str = "") -> Iterator[None]:
        """Answer matching requests here, the first `times` of them; the rest reach the head."""
        rule = Rule(re.compile(pattern), status, text, location, times=times)
        self._rules.insert(0, rule)
        try:
            yield
        finally:
            self._rules.remove(rule)

    def count(self, pattern: str) -> int:
        """How many requests matched."""
        return sum(bool(re.search(pattern, request)) for request in self.requests)

    def cut_logs(self, *, orderly: bool) -> int:
        """End every log stream in the middle, with or without a close frame; returns how many there were."""

        async def cut() -> int:
            sockets = list(self._sockets)
            self._sockets.clear()
            for socket in sockets:
                if orderly:
                    # Not waited for: it ends with the client's answer, and the caller may be the client.
                    self._closing.append(asyncio.create_task(socket.close()))
                elif (transport := socket._req.transport if socket._req else None) is not None:
                    transport.abort()
            return len(sockets)

        return asyncio.run_coroutine_threadsafe(cut(), self._loop).result(10)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        line = f"{request.method} {request.path}"
        self.requests.append(line)
        self.headers.append(dict(request.headers))
        await request.read()  # before any hold: the client may be gone when its request goes on
        rule = next((rule for rule in self._rules if rule.times and rule.pattern.search(line)), None)
        if rule is not None:
            rule.times -= 1
            if rule.status:
                headers = {"Location": rule.location} if rule.location else {}
                return web.Response(status=rule.status, text=rule.text, headers=headers)
            if rule.held == "before":
                await self._wait(rule)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._stream(request)
        response = await self._forward(request)
        if rule is not None and rule.held == "answer":
            await self._wait(rule)
        return response

    async def _wait(self, rule: Rule) -> None:
        rule.reached.set()
        await asyncio.to_thread(rule.released.wait)

    def _headers(self, request: web.Request) -> dict[str, str]:
        return {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in HOP_BY_HOP and not name.lower().startswith("sec-websocket")
        }

    async def _forward(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            async with self._session.request(
                request.method, self._target + request.path_qs, headers=self._headers(request), data=body or None
            ) as response:
                kept = {name: value for name, value in response.headers.items() if name.lower() not in HOP_BY_HOP}
                return web.Response(status=response.status, headers=kept, body=await response.read())
        except aiohttp.ClientError as error:
            return web.Response(status=502, text=str(error))

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        try:
            upstream = await self._session.ws_connect(
                self._target + request.path_qs, headers=self._headers(request), max_msg_size=0
            )
        except aiohttp.WSServerHandshakeError as error:
            return web.Response(status=error.status)
        except aiohttp.ClientError as error:
            return web.Response(status=502, text=str(error))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.add(socket)
        # The client says nothing on this stream; reading it answers its pings and notices its end.
        listener = asyncio.create_task(socket.receive())
        listener.add_done_callback(lambda _: asyncio.ensure_future(upstream.close()))
        try:
            async for message in upstream:
                if message.type == aiohttp.WSMsgType.TEXT:
                    await socket.send_str(message.data)
        except ConnectionError:
            pass  # cut, or left by the client
        finally:
            listener.cancel()
            self._sockets.discard(socket)
            await upstream.close()
            await socket.close()
        return socket
