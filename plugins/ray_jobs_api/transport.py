"""One HTTP session with a Ray dashboard: authentication, TLS, timeouts, retries, and failures as ``RayApiError``.

Transient failures are retried with exponential backoff and jitter. A submit may be retried too, because the caller
chooses the job's id and Ray refuses a second job under it.
"""

from __future__ import annotations

import json
import os
import random
import re
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from ray_jobs_api.failures import FailureReason, JobExistsError, JobNotFoundError, RayApiError
from ray_jobs_api.settings import DEFAULT_PORT, ClusterSettings, is_loopback
from ray_jobs_api.storable import storable_text

T = TypeVar("T")

#: Statuses of a proxy or an overloaded head that pass without anybody's help.
_TRANSIENT_STATUSES = frozenset({408, 425, 429, 502, 503, 504})
#: Ray answers a client error that its agent found with 500 and this text (job_head.py, ``_raise_error``).
_AGENT_REJECTED = "Request failed with status code 400"
_EXISTS = "already exists"  # job_manager.py, ``submit_job``
#: Default ports of a head that speak another protocol than the dashboard's (ray_constants.py, ``ray start --help``).
_OTHER_PORTS = {10001: "Ray Client", 6379: "the GCS"}
#: Seconds by which the header ``Date`` may differ between clocks that agree.
_CLOCK_ERROR = 5.0
_TAG = re.compile(r"<[^<>]*>")
#: In bytes. aiohttp's default of 4 MiB closes the websocket at one long line.
_MAX_WEBSOCKET_MESSAGE = 64 * 1024**2


@dataclass(frozen=True)
class Answer:
    """The body of a response, and the seconds by which the server's clock is ahead of this machine's."""

    body: bytes
    clock_offset: float


class HttpTransport:
    """Use as ``async with HttpTransport(settings) as transport``.

    :param attempts: how often a request is sent at most.
    :param retry_delay: seconds before the first retry; each further delay is twice as long, and all vary by 30 %.
    """

    def __init__(self, settings: ClusterSettings, *, attempts: int = 4, retry_delay: float = 0.5) -> None:
        self.settings = settings
        self._attempts = attempts
        self._retry_delay = retry_delay
        self._open_session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> HttpTransport:
        headers = dict(self.settings.headers)
        if self.settings.token:
            headers["Authorization"] = f"Bearer {self.settings.token}"
        self._open_session = aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(ssl=_tls(self.settings)),
            timeout=aiohttp.ClientTimeout(total=self.settings.request_timeout),
            trust_env=not is_loopback(self.settings.base_url),  # HTTP(S)_PROXY and NO_PROXY
            trace_configs=[_no_redirects()],
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._open_session is not None:
            await self._open_session.close()
            self._open_session = None

    async def ask(self, method: str, path: str, read: Callable[[Any], T], **options: Any) -> T:
        """Send a request and read its JSON answer. ``options`` are those of ``request``."""
        return self.parse((await self.request(method, path, **options)).body, read)

    def parse(self, body: bytes, read: Callable[[Any], T]) -> T:
        """``read`` applied to a JSON body. A body of another form, such as a proxy's login page, is a failure."""
        try:
            return read(json.loads(body))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RayApiError(
                f"{self.settings.base_url} (connection '{self.settings.name}') does not answer like Ray's Jobs API.",
                FailureReason.UNREACHABLE,
                status=200,
                transient=True,
            ) from None

    async def request(
        self, method: str, path: str, *, json_body: Any = None, data: bytes | None = None, seconds: float | None = None
    ) -> Answer:
        """Send a request, retry transient failures, and return the answer. ``seconds`` replaces the timeout."""

        async def send() -> Answer:
            async with self.open(method, path, seconds=seconds, json=json_body, data=data) as response:
                return Answer(await response.read(), _clock_offset(response))

        return await AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, RayApiError) and error.transient),
            stop=stop_after_attempt(self._attempts),
            wait=self._delay,
            reraise=True,
        )(send)

    @asynccontextmanager
    async def open(
        self, method: str, path: str, *, seconds: float | None = None, **body: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request without retries; the block reads the body of the response."""
        options = {name: value for name, value in body.items() if value is not None}
        if seconds is not None:
            options["timeout"] = aiohttp.ClientTimeout(total=seconds)
        url = self.settings.base_url + path
        try:
            async with self._session.request(method, url, allow_redirects=False, **options) as response:
                if response.status >= 300:
                    raise self._refused(response.status, await response.text(errors="replace"))
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from None

    async def messages(self, path: str) -> AsyncGenerator[str]:
        """The text messages of a websocket until the server closes it."""
        try:
            async with self._session.ws_connect(
                self.settings.base_url + path,
                max_msg_size=_MAX_WEBSOCKET_MESSAGE,
                heartbeat=30,
                timeout=aiohttp.ClientWSTimeout(ws_close=5),
            ) as socket:
                async for message in socket:
                    if message.type == aiohttp.WSMsgType.TEXT:
                        yield message.data
                    elif message.type == aiohttp.WSMsgType.ERROR:
                        raise self._unreachable(socket.exception() or "the log stream broke")
        except aiohttp.WSServerHandshakeError as error:
            raise self._refused(error.status, "") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from None

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._open_session is None:
            raise RuntimeError("The client is used outside of 'async with'.")
        return self._open_session

    @property
    def _proxy(self) -> str:
        return f"the proxy of {urlsplit(self.settings.base_url).scheme.upper()}_PROXY"

    def _delay(self, state: RetryCallState) -> float:
        return self._retry_delay * 2 ** (state.attempt_number - 1) * random.uniform(0.7, 1.3)

    def _unreachable(self, error: object) -> RayApiError:
        """The failure of a request that got no answer."""
        detail = str(error) or type(error).__name__
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            cause = getattr(error.certificate_error, "verify_message", "") or "certificate verify failed"
            detail = f"its TLS certificate is not trusted ({cause}); set ca_file to the authority's PEM file"
        elif isinstance(error, aiohttp.ClientSSLError):
            detail = f"TLS failed ({error.os_error.strerror}); does this port speak it?"
        elif isinstance(error, aiohttp.ClientHttpProxyError):
            detail = f"{self._proxy} refuses (HTTP {error.status})"
        elif isinstance(error, aiohttp.ClientProxyConnectionError):
            detail = f"{self._proxy} cannot be reached ({error.os_error.strerror or error.os_error})"
        elif isinstance(error, aiohttp.ClientConnectorDNSError):
            detail = f"its host name cannot be resolved ({error.os_error.strerror or error.os_error})"
        elif isinstance(error, aiohttp.ClientResponseError):
            detail = "its answer is not HTTP/1.1, so the port may not be the dashboard's"
        elif isinstance(error, TimeoutError):
            detail = f"no answer within {self.settings.request_timeout:g} s"
        elif isinstance(error, aiohttp.ClientConnectorError) and (number := error.os_error.errno or 0) > 0:
            detail = os.strerror(number)  # "Connection refused" instead of asyncio's list of attempts
        transient = not isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.InvalidURL)
        if other := _OTHER_PORTS.get(urlsplit(self.settings.base_url).port or 0):
            detail += f"; this is the port of {other}, and that of the dashboard is {DEFAULT_PORT} by default"
            transient = False
        return RayApiError(
            f"Cannot reach Ray at {self.settings.base_url} (connection '{self.settings.name}'): {detail}"
            + ("" if detail.endswith("?") else "."),
            FailureReason.UNREACHABLE,
            transient=transient,
        )

    def _refused(self, status: int, text: str) -> RayApiError:
        """The failure of a request that was answered with an HTTP status of 300 or more."""
        where = f"Ray at {self.settings.base_url} (connection '{self.settings.name}')"
        answer = _sentence(text)
        if status == 401:
            return RayApiError(f"{where} requires a token (HTTP 401).", FailureReason.AUTHENTICATION, status=status)
        if status == 403:
            return RayApiError(f"{where} refused the token (HTTP 403).", FailureReason.AUTHENTICATION, status=status)
        if 300 <= status < 400:
            return RayApiError(
                f"{where} redirects (HTTP {status}): put the final address into the connection.",
                FailureReason.CONFIGURATION,
                status=status,
            )
        if status == 404:
            return JobNotFoundError(
                f"{where} answered: {answer or 'not found'}.", FailureReason.CLUSTER_LOST, status=404
            )
        if status == 500 and _EXISTS in text:
            return JobExistsError(f"{where} answered: {answer}.", FailureReason.REJECTED, status=status)
        if status in _TRANSIENT_STATUSES or (status >= 500 and _AGENT_REJECTED not in text):
            return RayApiError(
                f"{where} answered HTTP {status}: {answer}.", FailureReason.UNREACHABLE, status=status, transient=True
            )
        return RayApiError(
            f"{where} rejected the request (HTTP {status}): {answer}.", FailureReason.REJECTED, status=status
        )


def _clock_offset(response: aiohttp.ClientResponse) -> float:
    """The offset by the header ``Date``, which counts whole seconds: a difference within its error counts as none."""
    try:
        offset = parsedate_to_datetime(response.headers["Date"]).timestamp() - time.time()
    except (KeyError, ValueError):
        return 0.0
    return 0.0 if abs(offset) < _CLOCK_ERROR else offset


def _no_redirects() -> aiohttp.TraceConfig:
    """Refuse redirects: the connection's headers are secrets, and not for their target. Websockets have no flag."""

    async def refuse(session: Any, context: Any, params: aiohttp.TraceRequestRedirectParams) -> None:
        raise aiohttp.ClientError("it redirects; put the final address into the connection")

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(refuse)
    return trace


def _tls(settings: ClusterSettings) -> ssl.SSLContext | bool:
    if not settings.verify:
        return False
    if not settings.ca_file:
        return True
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise RayApiError(
            f"Cannot read the CA file {settings.ca_file} of connection '{settings.name}': {error}.",
            FailureReason.CONFIGURATION,
        ) from None


def _sentence(text: str) -> str:
    """The sentence of an answer: the last line of Ray's Python tracebacks, the title of a proxy's page."""
    is_page = text.lstrip().startswith("<")
    plain = _TAG.sub("", text) if is_page else text
    lines = [line.strip() for line in storable_text(plain).replace("\\n", "\n").splitlines() if line.strip(" .'\"")]
    return lines[0 if is_page else -1][:500].rstrip(".") if lines else ""
