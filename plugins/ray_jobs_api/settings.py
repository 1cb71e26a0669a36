"""How to reach one Ray cluster, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

#: ray/_private/ray_constants.py, DEFAULT_DASHBOARD_PORT
DEFAULT_PORT = 8265
DEFAULT_REQUEST_TIMEOUT = 30.0


@dataclass(frozen=True)
class ClusterSettings:
    """Everything a client needs. Secrets stay out of ``repr``, so that a traceback or a log cannot show them."""

    base_url: str
    conn_id: str
    token: str | None = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    verify: bool = True
    ca_file: str | None = None
    dashboard_url: str = ""
    request_timeout: float = DEFAULT_REQUEST_TIMEOUT
    job_prefix: str = "airflow"

    @property
    def secrets(self) -> list[str]:
        """Values that must never appear in a log."""
        return [value for value in (self.token, *self.headers.values()) if value]
