"""The routes of the Ray Jobs REST API (ray/dashboard/modules/job/job_head.py, Ray 2.60) as methods of a client."""

from __future__ import annotations

import codecs
import io
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from ray_jobs_api.failures import FailureReason, JobNotFoundError, RayApiError
from ray_jobs_api.settings import ClusterSettings
from ray_jobs_api.storable import storable_text
from ray_jobs_api.transport import HttpTransport

#: Timeouts in seconds for reading a whole log and for uploading a package.
_LOG_SECONDS = 600.0
_UPLOAD_SECONDS = 300.0
#: In bytes.
_MAX_WHOLE_LOG = 16 * 1024**2
_CHUNK = 1 << 16


@dataclass(frozen=True)
class JobInfo:
    """The fields of Ray's ``JobDetails`` that decide something. Times are seconds since 1970, by Ray's clock.

    ``clock_offset`` is the number of seconds by which Ray's clock was ahead of this machine's.
    """

    submission_id: str
    status: str
    message: str = ""
    error_type: str | None = None
    exit_code: int | None = None
    started: float | None = None
    ended: float | None = None
    node_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    clock_offset: float = 0.0

    def seconds_since(self, event: float, now: float) -> float:
        """Seconds from ``event`` (``started`` or ``ended``) to ``now``, which is by this machine's clock."""
        return now + self.clock_offset - event

    @property
    def finished(self) -> bool:
        """True for SUCCEEDED, FAILED and STOPPED (``JobStatus.is_terminal``)."""
        return self.status in ("SUCCEEDED", "FAILED", "STOPPED")


class RayJobsClient:
    """Use as ``async with RayJobsClient(settings) as client``. Every failure is a ``RayApiError`` with one sentence.

    ``options`` are those of ``HttpTransport``.
    """

    def __init__(self, settings: ClusterSettings, **options: Any) -> None:
        self._http = HttpTransport(settings, **options)

    async def __aenter__(self) -> RayJobsClient:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._http.__aexit__(*exc_info)

    async def version(self) -> dict[str, Any]:
        """``ray_version``, ``session_name`` and other facts. A new session name means a new cluster."""
        try:
            return await self._http.ask(
                "GET", "/api/version", lambda found: {"session_name": found["session_name"], **found}
            )
        except JobNotFoundError as error:  # from another server, or from a proxy whose backend is away for a moment
            settings = self._http.settings
            raise RayApiError(
                f"The server at {settings.base_url} (connection '{settings.name}') is not a Ray dashboard: "
                "it does not know /api/version (HTTP 404).",
                FailureReason.UNREACHABLE,
                status=error.status,
                transient=True,
            ) from None

    async def submit(self, request: dict[str, Any]) -> None:
        """Submit a job; ``request`` holds ``submission_id`` and the other fields of Ray's ``JobSubmitRequest``.

        Raises ``JobExistsError`` when the id is taken, by an earlier attempt or by a request whose answer was lost.
        """
        await self._http.ask("POST", "/api/jobs/", lambda found: found["submission_id"], json_body=request)

    async def job(self, submission_id: str) -> JobInfo:
        """The job's state. Raises ``JobNotFoundError`` when the cluster does not know it."""
        answer = await self._http.request("GET", _job_path(submission_id))
        return self._http.parse(answer.body, lambda found: _job_info(found, answer.clock_offset))

    async def jobs(self) -> list[JobInfo]:
        """All jobs that anybody submitted through the Jobs API, as long as Ray keeps their records."""
        answer = await self._http.request("GET", "/api/jobs/")
        return self._http.parse(
            answer.body,
            lambda found: [_job_info(job, answer.clock_offset) for job in found if job.get("submission_id")],
        )

    async def stop(self, submission_id: str) -> bool:
        """Ask Ray to stop the job, which takes seconds (SIGTERM, SIGKILL after 3 s). False: it had ended already."""
        return await self._http.ask("POST", f"{_job_path(submission_id)}/stop", lambda found: bool(found["stopped"]))

    async def delete(self, submission_id: str) -> bool:
        """Delete the record of a finished job. Ray refuses to delete a live one."""
        return await self._http.ask("DELETE", _job_path(submission_id), lambda found: bool(found["deleted"]))

    async def log(self, submission_id: str) -> str:
        """The job's log so far; empty above 16 MiB, which is too much to fetch again and again."""
        async with self._http.open("GET", f"{_job_path(submission_id)}/logs") as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK):  # a proxy may leave out the length
                body += chunk
                if len(body) > _MAX_WHOLE_LOG:
                    return ""
        return self._http.parse(bytes(body), lambda found: storable_text(found["logs"] or ""))

    async def whole_log(self, submission_id: str, last_lines: int = -1) -> AsyncGenerator[str]:
        """The job's log so far, of any size, or only its last lines, in pieces that need not end with a line.

        It comes as bytes from the dashboard's log API. The Jobs API, which fails at a byte that is not UTF-8 and ends a
        stream at a line of 4 MiB, is the fallback where the log API is closed. Yields nothing for a job that never
        started.
        """
        node = (await self.job(submission_id)).node_id
        if node is None:
            return
        file = f"job-driver-{submission_id}.log"  # job/common.py, JOB_LOGS_PATH_TEMPLATE
        query = {"node_id": node, "filename": file, "lines": last_lines, "timeout": int(_LOG_SECONDS)}
        # Positions in the log count characters after this decoding, which is that of Ray's own reader.
        decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)
        started = False
        try:
            async with self._http.open("GET", f"/api/v0/logs/file?{urlencode(query)}", seconds=_LOG_SECONDS) as answer:
                async for chunk in answer.content.iter_chunked(_CHUNK):
                    started = True
                    yield storable_text(decoder.decode(chunk))
                yield storable_text(decoder.decode(b"", final=True))
        except RayApiError:
            if started or not (text := await self.log(submission_id)):
                raise
            yield text

    async def tail(self, submission_id: str) -> AsyncGenerator[str]:
        """Follow the log from its first byte, in pieces that need not end with a line.

        The end of the stream says nothing about the job: it can come in the middle of a run (ray-project/ray#57002).
        """
        async with aclosing(self._http.messages(f"{_job_path(submission_id)}/logs/tail")) as messages:
            async for text in messages:
                yield storable_text(text)

    async def has_package(self, name: str) -> bool:
        """Whether the cluster holds the package ``gcs://<name>``; the request also pins it for a while."""
        try:
            await self._http.request("GET", _package_path(name))
        except JobNotFoundError:
            return False
        return True

    async def upload_package(self, name: str, content: bytes) -> None:
        """Store a package as ``gcs://<name>``. The dashboard takes 100 MiB at most (HTTP 413 above)."""
        await self._http.request("PUT", _package_path(name), data=content, seconds=_UPLOAD_SECONDS)


def _job_info(found: Mapping[str, Any], clock_offset: float) -> JobInfo:
    started, ended = found.get("start_time"), found.get("end_time")
    return JobInfo(
        submission_id=found["submission_id"],
        status=found["status"],
        message=storable_text(found.get("message") or ""),
        error_type=found.get("error_type"),
        exit_code=found.get("driver_exit_code"),
        started=started / 1000 if started else None,
        ended=ended / 1000 if ended else None,
        node_id=found.get("driver_node_id"),
        metadata=found.get("metadata") or {},
        clock_offset=clock_offset,
    )


def _job_path(submission_id: str) -> str:
    return f"/api/jobs/{quote(submission_id, safe='')}"


def _package_path(name: str) -> str:
    return f"/api/packages/gcs/{quote(name, safe='')}"
