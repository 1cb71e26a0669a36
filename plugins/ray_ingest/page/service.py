"""Asks the search service, which knows the models and makes the pictures, where the connection ``search_default`` is.

Every failure is a ``ServiceError`` with one sentence: the search by words goes on without the service.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx

from airflow_ray.hooks.address import Server, base_url
from airflow_ray.hooks.connection import header_value
from ray_ingest.page.filters import Filter, as_json
from ray_ingest.page.words import as_typed, excerpt, marked
from ray_jobs_api.settings import is_loopback

CONN_ID = "search_default"
SERVER = Server("the search service", 8000, "http://ray-head:8000")

SECONDS = 30.0
"""For an answer: the service reads an object for each picture."""

CONNECT_SECONDS = 5.0

LIMITS = httpx.Limits(max_connections=8, max_keepalive_connections=4, keepalive_expiry=60.0)
"""Of one process; seconds. Further requests wait for a connection, and for as long as for an answer."""

FOUND_SECONDS = 15.0
"""After so many seconds, a changed connection counts."""

_CUT_OFF = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
"""What a request meets whose kept connection the server has just closed, or a proxy."""

KINDS = {"hits": "pages", "spoken": "spoken", "images": "images", "frames": "frames"}
"""The names of kinds of hits in the service's answers, and here."""

FIELDS = ("source", "page", "start", "end", "time", "width", "height")
_PICTURE = "data:image/"

log = logging.getLogger(__name__)


class ServiceError(Exception):
    """The service gave no answer; its text is one sentence for people."""


@dataclass(frozen=True)
class Service:
    """Where the service answers, and the token that opens it."""

    url: str
    token: str = field(default="", repr=False)


def find_service() -> Service | None:
    """The service as Airflow's connection has it now, or None where there is no such connection; it blocks.

    Raises ``ValueError`` with one sentence.
    """
    from airflow.exceptions import AirflowNotFoundException
    from airflow.models import Connection

    try:
        connection = Connection.get_connection_from_secrets(CONN_ID)
    except AirflowNotFoundException:
        return None
    where = f"connection '{CONN_ID}'"
    url = base_url(connection, where, SERVER)
    # As for Milvus: a port that is not given is the server's own, unless TLS ends in front of it.
    parts = urlsplit(url)
    if parts.scheme == "http" and not parts.port:
        url = parts._replace(netloc=f"{parts.netloc}:{SERVER.port}").geturl()
    token = (connection.password or "").strip()
    header_value(token, "token", where)
    return Service(url.rstrip("/"), token)


class ServiceClient:
    """Asks the service, over connections that are kept for the next question.

    They belong to the event loop, and are made with the first question, after any fork of the server. None of them is
    made for a service: each request has the address and the token of the service as it is then.

    :param find: finds it; it may block, and raises ``ValueError`` with one sentence.
    """

    def __init__(self, find: Callable[[], Service | None] = find_service) -> None:
        self._find = find
        self._found: Service | None = None
        self._until = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._clients: dict[bool, httpx.AsyncClient] = {}

    async def close(self) -> None:
        """Close the connections of this event loop."""
        clients = self._clients_here()
        while clients:
            await clients.popitem()[1].aclose()

    async def service(self) -> Service | None:
        """Where it is, as it was some seconds ago at the most; None where there is none."""
        if time.monotonic() > self._until:
            try:
                self._found = await asyncio.to_thread(self._find)
            except ValueError as error:
                raise ServiceError(str(error)) from None
            except Exception as error:
                log.warning("The page cannot read the connection %s.", CONN_ID, exc_info=True)
                raise ServiceError(f"Airflow cannot read the connection {CONN_ID} ({type(error).__name__}).") from None
            self._until = time.monotonic() + FOUND_SECONDS
        return self._found

    async def is_there(self) -> bool:
        """Whether there is a connection, even one that is not right: the search then says what is wrong with it."""
        try:
            return await self.service() is not None
        except ServiceError:
            return True

    async def search(self, question: str, limit: int, conditions: Filter = (), prefix: str = "") -> dict[str, Any]:
        """The hits by meaning and by words: ``hits`` by kind, and what was ``skipped`` and why.

        The arguments are those of ``search_words``.
        """
        service = await self.service()
        if service is None:
            raise ServiceError(f"There is no search service: make the connection {CONN_ID} to search by meaning.")
        question = as_typed(question)
        # What is not asked for is not sent: an earlier service would refuse a field that it does not know.
        narrowing = ({"filter": as_json(conditions)} if conditions else {}) | ({"prefix": prefix} if prefix else {})
        found = await self._asked(service, {"question": question, "limit": limit, "thumbnails": True, **narrowing})
        try:
            hits = {kind: [_hit(row, question) for row in found[name]] for name, kind in KINDS.items() if name in found}
            return {"hits": hits, "skipped": {str(kind): str(why) for kind, why in found.get("skipped", {}).items()}}
        except (AttributeError, KeyError, TypeError):
            raise _another(service.url) from None

    async def _asked(self, service: Service, body: dict[str, Any]) -> Any:
        try:
            response = await self._posted(service, body)
            told = response.json()
        except (httpx.ReadTimeout, httpx.PoolTimeout):
            raise ServiceError(f"The search service at {service.url} did not answer within {SECONDS:g} s.") from None
        except httpx.HTTPError as error:
            self._until = 0.0  # the connection may be about to be changed
            log.info("The search service does not answer: %s", error)
            raise ServiceError(
                f"The search service at {service.url} cannot be reached. Check the connection {CONN_ID} and that the "
                "service runs."
            ) from None
        except ValueError:
            raise _another(service.url) from None
        if response.status_code == httpx.codes.OK:
            return told
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            self._until = 0.0
            raise ServiceError(
                f"The search service at {service.url} refuses the token: put it into the password of the connection "
                f"{CONN_ID}."
            )
        sentence = told.get("error") if isinstance(told, dict) else None
        if not sentence:
            raise _another(service.url)
        raise ServiceError(f"The search service cannot answer: {sentence}.")

    async def _posted(self, service: Service, body: dict[str, Any]) -> httpx.Response:
        clients = self._clients_here()
        # Not through a proxy that the environment names for the world outside.
        trusting = not is_loopback(service.url)
        if trusting not in clients:
            timeout = httpx.Timeout(SECONDS, connect=CONNECT_SECONDS)
            clients[trusting] = httpx.AsyncClient(timeout=timeout, limits=LIMITS, trust_env=trusting)
        post = partial(
            clients[trusting].post,
            f"{service.url}/search",
            json=body,
            headers={"Authorization": f"Bearer {service.token}"},
        )
        try:
            return await post()
        except _CUT_OFF:  # a search changes nothing, and may be asked for again
            return await post()

    def _clients_here(self) -> dict[bool, httpx.AsyncClient]:
        """The clients of this event loop; those of another one, as in tests, are left to it."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._clients = loop, {}
        return self._clients


def _hit(row: dict[str, Any], question: str) -> dict[str, Any]:
    """A hit as JSON; ``place`` is None for a page that was ingested before there were places, which has no mark."""
    text, picture = row.get("text"), row.get("thumbnail") or ""
    return {
        **{name: row[name] for name in FIELDS if name in row},
        **({"place": None} if row.get("boxes", ()) is None else {}),
        "text": marked(excerpt(text, question), question) if text else [],
        "picture": picture if picture.startswith(_PICTURE) else "",
    }


def _another(url: str) -> ServiceError:
    return ServiceError(
        f"The server at {url} answers, but not as the search service does. Check the connection {CONN_ID}."
    )
