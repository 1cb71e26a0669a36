"""Asks Milvus from the API server: one client for each process, bounded in time and in number of requests.

The client belongs to the event loop and is made with the first request, after any fork of the server. Every failure,
of whatever kind, is a ``MilvusError`` with one sentence, so that it costs the page an answer and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from ray_ingest.milvus import DEFAULT_CONN_ID
from ray_ingest.page.target import Target, find_target
from ray_jobs_api.settings import is_loopback

SLOTS = 4
"""Requests at a time of one process."""

TARGET_SECONDS = 15.0
"""After so many seconds, a changed connection counts."""

GRPC_OPTIONS = {"grpc.keepalive_time_ms": 310_000, "grpc.keepalive_permit_without_calls": False}
"""pymilvus pings every 10 s, which a gRPC server with default settings answers by closing the connection."""

MAX_ROWS = 16_384
"""Rows that Milvus returns for one request at most."""

CONSISTENCY = "Bounded"
"""The page may be some seconds behind, and need not wait for all writes as the jobs do (the collections' default)."""

IN_ORDER = {"iterator": "True", "reduce_stop_for_best": True}
"""Options of a query that make Milvus return the first rows in the order of the primary key, as pymilvus's iterator."""

_ABSENT = re.compile(r"collection not (found|exist)|can't find collection|does not exist", re.I)
_RELEASED = re.compile(r"not loaded|released", re.I)
_REFUSED = re.compile(r"auth check failure|unauthenticated|permission[ _]?den|invalid credential|status: 40[13]", re.I)
_NO_DATABASE = re.compile(r"database.*not (found|exist)|no such database", re.I)
_LATE = re.compile(r"deadline exceeded|DEADLINE_EXCEEDED|retry timeout", re.I)
_AWAY = re.compile(r"fail connecting|unavailable|connection (refused|reset)|run out of|channel closed", re.I)

log = logging.getLogger(__name__)


class MilvusError(Exception):
    """Milvus gave no answer; its text is one sentence for people."""


class AbsentError(MilvusError):
    """There is no such collection, because nothing was ingested yet."""


class TooLongError(MilvusError):
    """The server needs more time for this request than it has."""


class MilvusClient:
    """Asks the target's server.

    :param find: finds the target; it may block, and raises ``ValueError`` with one sentence.
    """

    def __init__(self, find: Callable[[], Target] = find_target) -> None:
        self._find = find
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()
        self._slots = asyncio.Semaphore(SLOTS)
        self._target: Target | None = None
        self._found_at = 0.0
        self._client: Any = None

    async def target(self) -> Target:
        """The server and the prefix, as they were some seconds ago at the most."""
        self._enter_loop()
        async with self._lock:
            if self._target is None or time.monotonic() - self._found_at > TARGET_SECONDS:
                try:
                    found = await asyncio.to_thread(self._find)
                except ValueError as error:
                    raise MilvusError(str(error)) from None
                except Exception as error:
                    log.warning("The page cannot read the connection %s.", DEFAULT_CONN_ID, exc_info=True)
                    raise MilvusError(
                        f"Airflow cannot read the connection {DEFAULT_CONN_ID} ({type(error).__name__})."
                    ) from None
                if found != self._target:
                    await self._forget()
                self._target, self._found_at = found, time.monotonic()
            return self._target

    async def close(self) -> None:
        """Close the connection of this event loop."""
        self._enter_loop()
        await self._forget()

    async def names(self) -> list[str]:
        """The names of all collections; aliases are not among them."""
        return list(await self._call("list_collections"))

    async def describe(self, name: str) -> dict[str, Any] | None:
        """What Milvus knows of a collection or of the one behind an alias; None if there is none."""
        try:
            return dict(await self._call("describe_collection", name))
        except AbsentError:
            return None

    async def count(self, collection: str, condition: str = "") -> int:
        """The number of rows; 0 where there is no such collection."""
        try:
            found = await self._loaded("query", collection, filter=condition, output_fields=["count(*)"])
        except AbsentError:
            return 0
        return int(found[0]["count(*)"])

    async def rows(self, collection: str, condition: str, fields: Sequence[str], limit: int) -> list[dict[str, Any]]:
        """Some rows, in no order; none where there is no such collection."""
        try:
            found = await self._loaded("query", collection, filter=condition, output_fields=list(fields), limit=limit)
        except AbsentError:
            return []
        return [dict(row) for row in found]

    async def page(
        self, collection: str, condition: str, fields: Sequence[str], limit: int, after: str, patience: float = 1.0
    ) -> list[dict[str, Any]]:
        """The first rows behind ``after`` in the order of the ledger's key ``source``, which must be a field.

        :param patience: how many times the seconds of an ordinary request it may take.
        """
        from ray_ingest.page.expressions import both, literal

        page: list[dict[str, Any]] = []
        while len(page) < limit:
            try:
                found = await self._loaded(
                    "query",
                    collection,
                    filter=both(condition, f"source > {literal(after)}"),
                    output_fields=list(fields),
                    limit=limit - len(page),
                    patience=patience,
                    **IN_ORDER,
                )
            except AbsentError:
                return []
            if not found:  # it may return fewer than there are, but not none
                break
            page += sorted((dict(row) for row in found), key=lambda row: str(row["source"]))
            after = str(page[-1]["source"])
        return page

    async def search(self, collection: str, **options: Any) -> list[dict[str, Any]]:
        """The hits of a search for one vector or text; none where there is no such collection."""
        try:
            found = await self._loaded("search", collection, **options)
        except AbsentError:
            return []
        return [dict(hit) for hit in found[0]] if found else []

    async def _loaded(self, method: str, collection: str, **options: Any) -> Any:
        """A request to a collection, which Milvus Lite has not loaded after a restart."""
        options["consistency_level"] = CONSISTENCY
        try:
            return await self._call(method, collection, **options)
        except _ReleasedError:
            await self._call("load_collection", collection, patience=10.0)
            return await self._call(method, collection, **options)

    async def _call(self, method: str, *arguments: Any, patience: float = 1.0, **options: Any) -> Any:
        target = await self.target()
        address, seconds = target.server.address, patience * target.seconds
        async with self._slots:
            client = None
            try:
                async with self._lock:
                    client = self._client = self._client or await self._connect(target)
                request = getattr(client, method)(*arguments, timeout=seconds, **options)
                # pymilvus bounds a request by itself; this is for what it does beside it.
                return await asyncio.wait_for(request, seconds + 2)
            except MilvusError:
                raise
            except Exception as error:
                explained = _explained(error, address, seconds)
                if type(explained) is MilvusError:
                    # pymilvus does not always find its way back from a server that was away (its pull request 3578).
                    async with self._lock:
                        if client is self._client:
                            await self._forget()
                raise explained from None

    async def _connect(self, target: Target) -> Any:
        client_class = await asyncio.to_thread(_imported)
        options = GRPC_OPTIONS | ({"grpc.enable_http_proxy": 0} if is_loopback(target.server.address) else {})
        return client_class(
            uri=target.server.uri,
            token=target.server.token,
            timeout=target.seconds,
            grpc_options=options,
            dedicated=True,
        )

    async def _forget(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            try:
                await client.close()
            except Exception:
                log.info("A connection to Milvus was not closed.", exc_info=True)

    def _enter_loop(self) -> None:
        """Leave what belongs to another event loop, as in tests, to it."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._client, self._target = loop, None, None
            self._lock, self._slots = asyncio.Lock(), asyncio.Semaphore(SLOTS)


class _ReleasedError(MilvusError):
    """The collection is not loaded."""


def _imported() -> Any:
    """pymilvus's client; in a thread, since the import takes a second."""
    # On import, pymilvus connects to the server that this variable names, and fails if it names none.
    variable = os.environ.pop("MILVUS_URI", None)
    try:
        from pymilvus import AsyncMilvusClient
    except ImportError:
        raise MilvusError(
            "The API server has no pymilvus: install airflow-ray-ingest[airflow,page] there, or pymilvus 3.0."
        ) from None
    finally:
        if variable is not None:
            os.environ["MILVUS_URI"] = variable
    # It logs every error with a traceback before it raises it.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    return AsyncMilvusClient


def _explained(error: Exception, address: str, seconds: float) -> MilvusError:
    text = " ".join(str(getattr(error, "message", None) or error).split())[:300]
    server = f"Milvus at {address}"
    if _ABSENT.search(text) and not _NO_DATABASE.search(text):
        return AbsentError(f"{server} has no such collection.")
    if _RELEASED.search(text):
        return _ReleasedError(f"{server} is still loading a collection.")
    if _REFUSED.search(text):
        return MilvusError(
            f"{server} refuses the token: put user:password into the password of the connection {DEFAULT_CONN_ID}."
        )
    if _NO_DATABASE.search(text):
        return MilvusError(f"{server} does not have the database of the connection {DEFAULT_CONN_ID}.")
    if _AWAY.search(text) or (isinstance(error, OSError) and not isinstance(error, TimeoutError)):
        return MilvusError(f"{server} cannot be reached. Runs and the rest of Airflow do not depend on this page.")
    if _LATE.search(text) or isinstance(error, TimeoutError):
        return TooLongError(f"{server} did not answer within {seconds:g} s.")
    log.warning("A request of the page to Milvus failed: %s", text)
    return MilvusError(f"{server} refused a request ({text or type(error).__name__}).")
