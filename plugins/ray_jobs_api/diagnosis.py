"""Names the part of the way to a Ray cluster that is at fault: address, proxy, its path, TLS, token, or Jobs API.

Two requests tell them apart. ``/api/version`` is the dashboard's own, and a job that cannot exist is asked for at the
Jobs API, whose answer 404 proves that it is there and that the token is right.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

import aiohttp

from ray_jobs_api.client import RayJobsClient
from ray_jobs_api.failures import FailureReason, JobNotFoundError, RayApiError
from ray_jobs_api.settings import ClusterSettings

#: In seconds: somebody waits for the answer.
_TIMEOUT = 10.0
_JOB = "airflow-connection-test"


class Part(StrEnum):
    """A part of the way, and the advice where it is at fault and the error itself has none."""

    advice: str

    def __new__(cls, name: str, advice: str = "") -> Part:
        part = str.__new__(cls, name)
        part._value_ = name
        part.advice = advice
        return part

    ADDRESS = "Address"
    PROXY = "Proxy", "check HTTP_PROXY and HTTPS_PROXY, or add the host to NO_PROXY."
    PROXY_PATH = "Proxy path", "check that the address has the path at which the proxy serves the dashboard."
    TLS = "TLS"
    TOKEN = (
        "Token",
        "put the cluster's token ('ray get-auth-token' on the head) into the password field, or what a proxy asks for "
        "into the headers.",
    )
    JOBS_API = "Jobs API", "let the proxy pass everything below /api, and look at the log of the dashboard."


async def diagnose(settings: ClusterSettings) -> tuple[bool, str]:
    """Whether the cluster can be used, and one sentence: its version, or the part that is at fault and the reason."""
    part = Part.PROXY_PATH
    try:
        async with RayJobsClient(replace(settings, request_timeout=_TIMEOUT), attempts=1) as client:
            version = await client.version()
            part = Part.JOBS_API
            try:
                await client.job(_JOB)
            except JobNotFoundError as error:
                if _JOB not in str(error):  # Ray's answer names the job, a proxy's own does not
                    raise
    except RayApiError as error:
        part = _part(error, settings) or part
        sentence = f"{part}: {error}".replace(f" (connection '{settings.name}')", "")
        advice = "does it want https?" if part is Part.TLS and error.status else part.advice
        return False, f"{sentence.rstrip('.')}; {advice}" if advice else sentence
    return True, f"Ray {version['ray_version']}, session {version['session_name']}."


def _part(error: RayApiError, settings: ClusterSettings) -> Part | None:
    """The part that an error names by itself; None where it depends on the request."""
    plain = settings.base_url.startswith("http://")
    if isinstance(error.__context__, aiohttp.ClientSSLError) or error.reason is FailureReason.CONFIGURATION:
        return Part.ADDRESS if error.status else Part.TLS  # a redirect; an unreadable ca_file
    if isinstance(error.__context__, aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError):
        return Part.PROXY
    if error.status == 400 and plain:  # how servers refuse plain HTTP on a port for TLS
        return Part.TLS
    if error.reason is FailureReason.AUTHENTICATION:
        return Part.TOKEN
    return None if error.status else Part.ADDRESS
