"""Answers questions by asking the search service, which has the models in memory."""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from argparse import Namespace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ingest.common.environment import variable
from ingest.common.errors import ConfigurationError, JobError, UnreachableError
from ingest.common.loopback import is_loopback
from ingest.common.redaction import hide_credentials
from ingest.common.text import one_line
from ingest.milvus.filters import as_json
from ingest.milvus.refusals import without_credentials
from ingest.run.script import say_to_stderr
from ingest.search.answers import JSON_NAMES, HitsByKind, from_json
from ingest.search.hits import Hit

TOKEN_VARIABLE = "SEARCH_TOKEN"
"""The environment variable with the token of the service, here and on the Ray nodes."""

ANSWER_SECONDS = 120.0
"""Seconds for an answer: a service that was idle may have to load its models first."""

ATTEMPTS = 3
"""Attempts at a request that the service is too busy to answer."""

LONGEST_WAIT = 10


class RemoteSearch:
    """Asks the service at a URL.

    Args:
        arguments: the parsed flags of `search.py`.

    Raises:
        ConfigurationError: the URL is none, or there is no token in the environment.
    """

    def __init__(self, arguments: Namespace) -> None:
        self._arguments = arguments
        url = arguments.service.rstrip("/")
        hide_credentials(url)
        self._shown = without_credentials(url)
        try:
            parts = urlsplit(url)
            well_formed = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            well_formed = False
        if not well_formed or parts.query or parts.fragment or parts.username is not None:
            raise ConfigurationError(
                f"--service {self._shown!r} is not of the form http://HOST:PORT or https://HOST/PATH"
            )
        self._url = f"{url}/search"
        self._token = variable(TOKEN_VARIABLE)
        if not self._token:
            raise ConfigurationError(
                f"--service needs the token of the service in the environment, as {TOKEN_VARIABLE}"
            )
        handlers: list[Any] = [_NoRedirects]  # to another host, which would get the token
        if is_loopback(parts.hostname or ""):
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)
        self._pictures: dict[Hit, str] = {}

    def answer(self, question: str, image: Path | None) -> HitsByKind:
        """The hits of each kind. Prints the kinds that are left out.

        Raises:
            JobError: there is no answer.
        """
        arguments = self._arguments
        body: dict[str, Any] = {"limit": arguments.limit, "mode": arguments.mode}
        body |= {"in": arguments.kinds} if arguments.kinds else {}
        body |= {"filter": as_json(arguments.conditions)} if arguments.conditions else {}
        body |= {"context": True} if arguments.context else {}
        body |= {"thumbnails": True} if arguments.thumbnails or arguments.html else {}
        if image is None:
            body["question"] = question
        else:
            try:
                body["image"] = base64.b64encode(image.read_bytes()).decode()
            except OSError as error:
                raise ConfigurationError(f"--image {str(image)!r} cannot be read: {error.strerror}") from None
        found = self._asked(body)
        try:
            hits = from_json(found)
            for kind, of_kind in hits.items():
                self._pictures |= {
                    hit: row.get("thumbnail", "") for hit, row in zip(of_kind, found[JSON_NAMES[kind]], strict=True)
                }
            skipped = dict(found.get("skipped", {}))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._another() from None
        for kind, reason in skipped.items():
            say_to_stderr(f"skipped {kind}: {one_line(reason)}")
        return hits

    def picture_uri(self, hit: Hit) -> str:
        """The thumbnail of a hit as a `data:` URI; empty if it has none."""
        return self._pictures.get(hit, "")

    def _asked(self, body: dict[str, Any]) -> Any:
        data = json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        for attempt in range(1, ATTEMPTS + 1):
            status, told, again = self._answer(urllib.request.Request(self._url, data, headers))
            if status == 200:
                try:
                    return json.loads(told)
                except ValueError:
                    raise self._another() from None
            if status not in (429, 503) or attempt == ATTEMPTS:
                break
            time.sleep(min(again, LONGEST_WAIT))
        raise self._refusal(status, told)

    def _answer(self, request: urllib.request.Request) -> tuple[int, bytes, int]:
        """Status, body, and the seconds after which to ask again."""
        try:
            with self._opener.open(request, timeout=ANSWER_SECONDS) as response:
                return response.status, response.read(), 0
        except urllib.error.HTTPError as error:
            with error:
                again = error.headers.get("Retry-After", "")
                return error.code, error.read(), int(again) if again.isdecimal() else 1
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise ConfigurationError(
                    f"the certificate of the service at {self._shown} is not trusted ({reason.verify_message}); set "
                    "SSL_CERT_FILE to the file of its CA"
                ) from None
            strerror = os.strerror(reason.errno) if isinstance(reason, OSError) and reason.errno else reason
            raise UnreachableError(
                f"the search service at {self._shown} cannot be reached ({one_line(strerror, 160)}); check --service "
                "and that it runs"
            ) from None

    def _refusal(self, status: int, told: bytes) -> JobError:
        try:
            sentence = one_line(json.loads(told)["error"], 400)
        except (ValueError, KeyError, TypeError):
            sentence = ""
        if status in (401, 403):
            return ConfigurationError(f"the service at {self._shown} refuses the token; check {TOKEN_VARIABLE}")
        if status in (429, 502, 503, 504):
            said = sentence or f"HTTP {status}"
            return UnreachableError(f"the search service at {self._shown} cannot answer now ({said}); try again later")
        if sentence:
            return (ConfigurationError if status < 500 else JobError)(f"the search service refuses this: {sentence}")
        return self._another(status)

    def _another(self, status: int = 200) -> ConfigurationError:
        return ConfigurationError(
            f"the server at {self._shown} answers, but not as the search service does (HTTP {status}); check --service"
        )


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        return None
