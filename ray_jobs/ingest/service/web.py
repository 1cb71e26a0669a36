"""The service over HTTP: routes, tokens, limits, and errors as one sentence.

The event loop only reads requests and writes answers. Whatever blocks is done in threads, so that the health of a busy
service can be asked for at any time.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ingest.common.text import one_line
from ingest.service.bodies import likeness_in, question_in
from ingest.service.refused import RefusedError
from ingest.service.searching import SearchService
from ingest.service.settings import ANSWER_SECONDS, AT_WORK, MAX_BODY_BYTES, WAITING
from ingest.service.tokens import Tokens


class Threads:
    """The threads that work on requests, and how many requests may wait for them."""

    def __init__(self, at_work: int = AT_WORK, waiting: int = WAITING, seconds: float = ANSWER_SECONDS) -> None:
        self._threads = ThreadPoolExecutor(at_work, "search")
        self._most = at_work + waiting
        self._seconds = seconds
        self._inside = 0

    async def run(self, work: Callable[[], Any]) -> Any:
        """What `work` returns.

        Raises:
            RefusedError: too many requests wait, or this one takes too long. It keeps its place to its end.
        """
        if self._inside >= self._most:
            raise RefusedError(429, f"{self._inside} requests are at work or wait; ask again in a second", 1)
        self._inside += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        future.add_done_callback(self._ended)
        try:
            return await asyncio.wait_for(asyncio.shield(future), self._seconds)
        except TimeoutError:
            sentence = f"there is no answer after {self._seconds:g} s; ask again, perhaps for less"
            raise RefusedError(503, sentence, 5) from None

    def _ended(self, future: asyncio.Future[Any]) -> None:
        self._inside -= 1
        if not future.cancelled():
            future.exception()  # asyncio would log one that nobody has waited for

    def close(self) -> None:
        """End the threads when they have done their work."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def make_app(service: SearchService, tokens: Tokens, threads: Threads) -> Starlette:
    """The application. `GET /healthz` and `GET /readyz` answer everybody, the rest those with a token."""

    async def health(request: Request) -> Response:
        return _json({"healthy": True})

    async def readiness(request: Request) -> Response:
        state = service.state()
        known = tokens.accepts(request.headers.get("authorization", ""))
        return _json(state if known else {"ready": state["ready"]}, 200 if state["ready"] else 503)

    async def answer(parse: Callable[[bytes], Any], work: Callable[[Any], Any], request: Request) -> Response:
        if not tokens.accepts(request.headers.get("authorization", "")):
            raise RefusedError(401, "this needs the header Authorization: Bearer, with the token of the service")
        asked = parse(await _body(request))
        try:
            return _json(await threads.run(partial(work, asked)))
        except RefusedError:
            raise
        except Exception as error:
            logging.getLogger(__name__).exception("%s failed", request.url.path)
            sentence = f"the service failed unexpectedly ({type(error).__name__}: {one_line(error, 200)})"
            return _json({"error": sentence}, 500)

    async def search(request: Request) -> Response:
        return await answer(question_in, service.search, request)

    async def similar(request: Request) -> Response:
        return await answer(likeness_in, service.similar, request)

    routes = [
        Route("/healthz", health),
        Route("/readyz", readiness),
        Route("/search", search, methods=["POST"]),
        Route("/similar", similar, methods=["POST"]),
    ]
    handlers: Mapping[Any, Callable[[Request, Any], Awaitable[Response]]] = {
        RefusedError: _refused,
        HTTPException: _no_route,
        ClientDisconnect: _gone,
    }
    return Starlette(routes=routes, exception_handlers=handlers)


async def _body(request: Request) -> bytes:
    """The body of a request.

    Raises:
        RefusedError: it is too large, which is told before the rest of it is read.
    """
    too_large = RefusedError(413, f"the request has more than {MAX_BODY_BYTES >> 20} MB")
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > MAX_BODY_BYTES:
        raise too_large
    read = bytearray()
    async for piece in request.stream():
        read += piece
        if len(read) > MAX_BODY_BYTES:
            raise too_large
    return bytes(read)


def _json(content: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    text = json.dumps(content, ensure_ascii=False)
    own = {"Cache-Control": "no-store", **(headers or {})}
    return Response(text.encode(), status, own, "application/json")


async def _refused(request: Request, error: RefusedError) -> Response:
    headers = {"Retry-After": str(error.again_seconds)} if error.again_seconds else {}
    headers |= {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    return _json({"error": error.sentence}, error.status, headers)


async def _no_route(request: Request, error: HTTPException) -> Response:
    sentence = "there are POST /search and POST /similar, GET /healthz and GET /readyz"
    return _json({"error": sentence}, error.status_code, dict(error.headers or {}))


async def _gone(request: Request, error: ClientDisconnect) -> Response:
    return Response(status_code=400)
