"""The Airflow hook of connection type ``ray``: settings from the connection, a client, and the Test button."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from airflow.sdk.log import amask_secret, mask_secret

from airflow_ray.hooks.address import without_name
from airflow_ray.hooks.connection import settings_from_connection
from airflow_ray.provider_info import DEFAULT_CONN_ID

if TYPE_CHECKING:
    from ray_jobs_api.client import RayJobsClient
    from ray_jobs_api.settings import ClusterSettings


class RayHook(BaseHook):
    """Access to one Ray cluster. It masks the connection's secrets in every log before it returns them."""

    conn_name_attr = "conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = "ray"
    hook_name = "Ray"

    def __init__(self, conn_id: str = DEFAULT_CONN_ID) -> None:
        super().__init__()
        self.conn_id = conn_id

    def settings(self) -> ClusterSettings:
        """Read the connection. Raises ``ValueError`` with one sentence when a field is wrong."""
        settings = settings_from_connection(self.get_connection(self.conn_id))
        for secret in settings.secrets:
            mask_secret(secret)
        return settings

    async def asettings(self) -> ClusterSettings:
        """As ``settings``, for code that runs in an event loop, such as a trigger."""
        settings = settings_from_connection(await self.aget_connection(self.conn_id))
        for secret in settings.secrets:
            await amask_secret(secret)
        return settings

    def get_conn(self) -> RayJobsClient:
        """A client for ``async with``."""
        from ray_jobs_api.client import RayJobsClient

        return RayJobsClient(self.settings())

    def test_connection(self) -> tuple[bool, str]:
        """What the button *Test* shows: Ray's version, or the part of the connection that is at fault and the reason.

        Airflow runs it in the API server, under a connection id of its own.
        """
        from ray_jobs_api.diagnosis import diagnose

        try:
            return asyncio.run(diagnose(self.settings()))
        except ValueError as error:
            return False, without_name(error, self.conn_id)


def stop_from_signal_handler(settings: ClusterSettings, submission_id: str, timeout: float = 4.0) -> str | None:
    """Stop a job from inside a signal handler. Returns None when Ray took the request, otherwise one sentence.

    Airflow calls ``on_kill`` in its SIGTERM handler, 5 s before SIGKILL, and possibly while one of our event loops
    runs. Hence one short request without retries, in a thread with an event loop of its own.
    """
    from ray_jobs_api.client import RayJobsClient
    from ray_jobs_api.failures import JobNotFoundError, RayApiError

    failure: list[str] = [f"Ray did not answer within {timeout:g} s."]

    async def ask() -> None:
        async with asyncio.timeout(timeout), RayJobsClient(settings, attempts=1) as client:
            await client.stop(submission_id)

    def run() -> None:
        try:
            asyncio.run(ask())
        except JobNotFoundError:
            failure.clear()
        except (RayApiError, TimeoutError) as error:
            failure[:] = [str(error) or failure[0]]
        else:
            failure.clear()

    thread = threading.Thread(target=run, name="stop-ray-job", daemon=True)
    thread.start()
    thread.join(timeout + 0.5)
    return failure[0] if failure else None
