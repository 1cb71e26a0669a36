"""Asynchronous client of the Ray Jobs REST API (routes: ray/dashboard/modules/job/job_head.py, Ray 2.60).

Plain HTTP, no ``ray`` package: it needs neither Ray nor the cluster's Python version beside Airflow. Each request has
a timeout. Requests that may be repeated are repeated with backoff on transient errors; a submit may be repeated too,
because the caller chooses the id and a second job under it is refused.
"""

from __future__ import annotations

import asyncio
import codecs
import io
import json
import os
import random
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import aiohttp

from ray_jobs_api.failures import FailureReason, JobExistsError, JobNotFoundError, RayApiError
from ray_jobs_api.settings import ClusterSettings
from ray_jobs_api.storable import plain_text

T = TypeVar("T")

#: Statuses that a proxy or an overloaded head gives and that pass by themselves.
_TRANSIENT = frozenset({408, 425, 429, 502, 503, 504})
#: Ray answers a client error found by its agent with 500 and this text (job_head.py, ``_raise_error``).
_AGENT_REJECTED = "Request failed with status code 400"
_EXISTS = "already exists"  # job_manager.py, ``submit_job``
#: aiohttp's default of 4 MiB closes the stream at one long line.
_MAX_MESSAGE = 64 * 1024**2
#: For one reading of a whole log.
_LOG_SECONDS = 600.0
_MAX_WHOLE_LOG = 16 * 1024**2


@dataclass(frozen=True)
class JobInfo:
    """The part of Ray's ``JobDetails`` that decides something. Times are seconds since 1970, by Ray's clock."""

    submission_id: str
    status: str
    message: str = ""
    error_type: str | None = None
    exit_code: int | None = None
    started: float | None = None
    ended: float | None = None
    node_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """True for SUCCEEDED, FAILED and STOPPED (``JobStatus.is_terminal``)."""
        return self.status in ("SUCCEEDED", "FAILED", "STOPPED")


class RayJobsClient:
    """Use as ``async with RayJobsClient(settings) as client``. All failures are ``RayApiError`` with one sentence."""

    def __init__(self, settings: ClusterSettings, *, attempts: int = 4, first_pause: float = 0.5) -> None:
        self.settings = settings
        self._attempts = attempts
        self._first_pause = first_pause
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> RayJobsClient:
        headers = dict(self.settings.headers)
        if self.settings.token:
            headers["Authorization"] = f"Bearer {self.settings.token}"
        self._session = aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(ssl=_tls(self.settings)),
            timeout=aiohttp.ClientTimeout(total=self.settings.request_timeout),
            trust_env=True,  # HTTP(S)_PROXY and NO_PROXY
            trace_configs=[_no_redirects()],
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def version(self) -> dict[str, Any]:
        """``ray_version``, ``session_name`` and others; a changed session name is a new cluster."""
        try:
            return await self._ask(
                "GET", "/api/version", lambda found: {"session_name": found["session_name"], **found}
            )
        except JobNotFoundError as error:  # of another server, or of a proxy whose backend is away for a moment
            raise RayApiError(
                f"What answers at {self.settings.base_url} (connection '{self.settings.conn_id}') is no Ray dashboard: "
                "it does not know /api/version (HTTP 404).",
                FailureReason.UNREACHABLE,
                status=error.status,
                transient=True,
            ) from None

    async def submit(self, request: dict[str, Any]) -> None:
        """Submit a job; ``request`` holds ``submission_id`` and the other fields of Ray's ``JobSubmitRequest``.

        Raises ``JobExistsError`` when the id is taken, by an earlier attempt or by an answer that got lost on the way.
        """
        await self._ask("POST", "/api/jobs/", lambda found: found["submission_id"], json_body=request)

    async def job(self, submission_id: str) -> JobInfo:
        """The job's state. Raises ``JobNotFoundError`` when the cluster does not know it."""
        return await self._ask("GET", _job_path(submission_id), _job_info)

    async def jobs(self) -> list[JobInfo]:
        """All jobs that came through the Jobs API, of whomever, as long as Ray keeps their records."""
        return await self._ask(
            "GET", "/api/jobs/", lambda found: [_job_info(job) for job in found if job.get("submission_id")]
        )

    async def stop(self, submission_id: str) -> bool:
        """Ask Ray to stop the job; it needs some seconds (SIGTERM, SIGKILL after 3 s). False: it had ended already."""
        return await self._ask("POST", f"{_job_path(submission_id)}/stop", lambda found: bool(found["stopped"]))

    async def delete(self, submission_id: str) -> bool:
        """Remove a finished job from Ray's table. A live one is refused."""
        return await self._ask("DELETE", _job_path(submission_id), lambda found: bool(found["deleted"]))

    async def log(self, submission_id: str) -> str:
        """The job's log so far; empty above 16 MiB, which are too many to be fetched again and again."""
        async with self._open("GET", f"{_job_path(submission_id)}/logs") as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(1 << 16):  # a proxy may leave out the length
                body += chunk
                if len(body) > _MAX_WHOLE_LOG:
                    return ""
        return self._read(bytes(body), lambda found: plain_text(found["logs"] or ""))

    async def whole_log(self, submission_id: str, last_lines: int = -1) -> AsyncGenerator[str]:
        """The job's log so far, of any size, in pieces that need not end with a line; or only its last lines.

        It comes as bytes from the dashboard's log API. The Jobs API fails at a byte that is not UTF-8 and ends a stream
        at a line of 4 MiB; it is asked only where the other one is closed. Nothing for a job that never began.
        """
        node = (await self.job(submission_id)).node_id
        if node is None:
            return
        file = f"job-driver-{submission_id}.log"  # job/common.py, JOB_LOGS_PATH_TEMPLATE
        query = {"node_id": node, "filename": file, "lines": last_lines, "timeout": int(_LOG_SECONDS)}
        # As Ray's own reader does: positions in the log count characters after this.
        decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)
        began = False
        try:
            async with self._open("GET", f"/api/v0/logs/file?{urlencode(query)}", seconds=_LOG_SECONDS) as response:
                async for chunk in response.content.iter_chunked(1 << 16):
                    began = True
                    yield plain_text(decoder.decode(chunk))
                yield plain_text(decoder.decode(b"", final=True))
        except RayApiError:
            if began or not (text := await self.log(submission_id)):
                raise
            yield text

    async def tail(self, submission_id: str) -> AsyncGenerator[str]:
        """Follow the log from its first byte, in pieces that need not end with a line.

        The end of the stream says nothing about the job: it can come in the middle of a run (ray-project/ray#57002).
        """
        session = self._require_session()
        url = self.settings.base_url + f"{_job_path(submission_id)}/logs/tail"
        try:
            async with session.ws_connect(
                url, max_msg_size=_MAX_MESSAGE, heartbeat=30, timeout=aiohttp.ClientWSTimeout(ws_close=5)
            ) as socket:
                async for message in socket:
                    if message.type == aiohttp.WSMsgType.TEXT:
                        yield plain_text(message.data)
                    elif message.type == aiohttp.WSMsgType.ERROR:
                        raise self._unreachable(socket.exception() or "the log stream broke")
        except aiohttp.WSServerHandshakeError as error:
            raise self._refused(error.status, "") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from None

    async def has_package(self, name: str) -> bool:
        """Whether the cluster holds the package ``gcs://<name>``; asking also pins it for a while."""
        try:
            await self._request("GET", f"/api/packages/gcs/{quote(name, safe='')}")
        except JobNotFoundError:
            return False
        return True

    async def upload_package(self, name: str, content: bytes) -> None:
        """Store a package as ``gcs://<name>``. The dashboard takes 100 MiB at most (413 above)."""
        await self._request("PUT", f"/api/packages/gcs/{quote(name, safe='')}", data=content, seconds=300)

    async def _ask(self, method: str, path: str, read: Callable[[Any], T], **options: Any) -> T:
        return self._read(await self._request(method, path, **options), read)

    def _read(self, body: bytes, read: Callable[[Any], T]) -> T:
        """What an answer says. A login or maintenance page with status 200 is no answer."""
        try:
            return read(json.loads(body))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RayApiError(
                f"{self.settings.base_url} (connection '{self.settings.conn_id}') does not answer like Ray's Jobs API.",
                FailureReason.UNREACHABLE,
                transient=True,
            ) from None

    async def _request(
        self, method: str, path: str, *, json_body: Any = None, data: bytes | None = None, seconds: float | None = None
    ) -> bytes:
        pause = self._first_pause
        for attempt in range(1, self._attempts + 1):
            try:
                async with self._open(method, path, json=json_body, data=data, seconds=seconds) as response:
                    return await response.read()
            except RayApiError as error:
                if not error.transient or attempt == self._attempts:
                    raise
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))
            pause *= 2
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _open(self, method: str, path: str, *, seconds: float | None = None, **body: Any) -> _Exchange:
        kwargs = {name: value for name, value in body.items() if value is not None}
        kwargs["allow_redirects"] = False
        if seconds is not None:
            kwargs["timeout"] = aiohttp.ClientTimeout(total=seconds)
        request = self._require_session().request(method, self.settings.base_url + path, **kwargs)
        return _Exchange(self, request)

    def _require_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("RayJobsClient is used outside of 'async with'.")
        return self._session

    def _unreachable(self, error: object) -> RayApiError:
        detail = str(error) or type(error).__name__
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            cause = getattr(error.certificate_error, "verify_message", "") or "certificate verify failed"
            detail = f"its TLS certificate is not trusted ({cause}); set ca_file to the authority's PEM file"
        elif isinstance(error, aiohttp.ClientSSLError):
            detail = f"TLS failed ({error.os_error.strerror}); is it https?"
        elif isinstance(error, aiohttp.ClientResponseError):
            detail = "its answer is no HTTP/1.1, so the port may not be the dashboard's"
        elif isinstance(error, TimeoutError):
            detail = f"no answer within {self.settings.request_timeout:g} s"
        elif isinstance(error, aiohttp.ClientConnectorError) and (number := error.os_error.errno or 0) > 0:
            detail = os.strerror(number)  # "Connection refused" instead of asyncio's list of attempts
        return RayApiError(
            f"Cannot reach Ray at {self.settings.base_url} (connection '{self.settings.conn_id}'): {detail}.",
            FailureReason.UNREACHABLE,
            transient=not isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.InvalidURL),
        )

    def _refused(self, status: int, text: str) -> RayApiError:
        where = f"Ray at {self.settings.base_url} (connection '{self.settings.conn_id}')"
        said = _last_line(text)
        if status == 401:
            return RayApiError(f"{where} wants a token (HTTP 401).", FailureReason.AUTHENTICATION, status=status)
        if status == 403:
            return RayApiError(f"{where} refused the token (HTTP 403).", FailureReason.AUTHENTICATION, status=status)
        if 300 <= status < 400:
            return RayApiError(
                f"{where} redirects (HTTP {status}): put the final address into the connection.",
                FailureReason.CONFIGURATION,
                status=status,
            )
        if status == 404:
            return JobNotFoundError(f"{where} answered: {said or 'not found'}.", FailureReason.CLUSTER_LOST, status=404)
        if status == 500 and _EXISTS in text:
            return JobExistsError(f"{where} answered: {said}.", FailureReason.REJECTED, status=status)
        if status in _TRANSIENT or (status >= 500 and _AGENT_REJECTED not in text):
            return RayApiError(
                f"{where} answered HTTP {status}: {said}.", FailureReason.UNREACHABLE, status=status, transient=True
            )
        return RayApiError(
            f"{where} rejected the request (HTTP {status}): {said}.", FailureReason.REJECTED, status=status
        )


class _Exchange:
    """One request as a context manager that turns transport errors and bad statuses into ``RayApiError``."""

    def __init__(self, client: RayJobsClient, request: Any) -> None:
        self._client = client
        self._request = request

    async def __aenter__(self) -> aiohttp.ClientResponse:
        try:
            response: aiohttp.ClientResponse = await self._request.__aenter__()
            if response.status < 300:
                return response
            text = await response.text(errors="replace")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._client._unreachable(error) from None
        response.release()
        raise self._client._refused(response.status, text)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        await self._request.__aexit__(kind, error, trace)
        if isinstance(error, aiohttp.ClientError | TimeoutError | OSError):
            raise self._client._unreachable(error) from None


def _no_redirects() -> aiohttp.TraceConfig:
    """Follow none: the connection's headers are secrets, and not for the target. Websockets have no flag for it."""

    async def refuse(session: Any, context: Any, params: aiohttp.TraceRequestRedirectParams) -> None:
        raise aiohttp.ClientError("it redirects; put the final address into the connection")

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(refuse)
    return trace


def _job_info(found: Mapping[str, Any]) -> JobInfo:
    started, ended = found.get("start_time"), found.get("end_time")
    return JobInfo(
        submission_id=found["submission_id"],
        status=found["status"],
        message=plain_text(found.get("message") or ""),
        error_type=found.get("error_type"),
        exit_code=found.get("driver_exit_code"),
        started=started / 1000 if started else None,
        ended=ended / 1000 if ended else None,
        node_id=found.get("driver_node_id"),
        metadata=found.get("metadata") or {},
    )


def _job_path(submission_id: str) -> str:
    return f"/api/jobs/{quote(submission_id, safe='')}"


def _tls(settings: ClusterSettings) -> ssl.SSLContext | bool:
    if not settings.verify:
        return False
    if not settings.ca_file:
        return True
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise RayApiError(
            f"Cannot read the CA file {settings.ca_file} of connection '{settings.conn_id}': {error}.",
            FailureReason.CONFIGURATION,
        ) from None


def _last_line(text: str) -> str:
    """Ray answers with Python tracebacks; their last line is the sentence."""
    lines = [line.strip() for line in plain_text(text).replace("\\n", "\n").splitlines() if line.strip(" .'\"")]
    return lines[-1][:500].rstrip(".") if lines else ""
