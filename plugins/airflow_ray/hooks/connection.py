"""Reads and checks the fields of an Airflow connection of type ``ray``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ray_jobs_api.settings import DEFAULT_PORT, DEFAULT_REQUEST_TIMEOUT, ClusterSettings

if TYPE_CHECKING:
    from airflow.sdk import Connection


def settings_from_connection(connection: Connection) -> ClusterSettings:
    """Read a connection.

    ``host`` is a whole address (``https://ray.example.com:8265``) or a host name, then with ``port`` (default 8265)
    and ``schema`` (``http`` or ``https``, default ``http``). ``password`` is the token. Extras: see ``provider_info``.

    Raises ``ValueError`` with one sentence when a field is missing or malformed.
    """
    where = f"connection '{connection.conn_id}'"
    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError:
        raise ValueError(f"The extra field of {where} is not valid JSON.") from None
    if not isinstance(extra, dict):
        raise ValueError(f"The extra field of {where} must be a JSON object.")
    base_url = _base_url(connection, where)
    return ClusterSettings(
        base_url=base_url,
        name=connection.conn_id,
        token=(connection.password or "").strip() or None,
        headers=_headers(extra.get("headers"), where),
        verify=_boolean(extra.get("verify"), where),
        ca_file=extra.get("ca_file") or None,
        dashboard_url=(extra.get("dashboard_url") or base_url).rstrip("/"),
        request_timeout=_positive(extra.get("request_timeout"), where),
        job_prefix=extra.get("job_prefix") or "airflow",
    )


def _base_url(connection: Connection, where: str) -> str:
    host = (connection.host or "").strip().rstrip("/")
    if not host:
        raise ValueError(f"The {where} has no address: set its host, such as http://ray-head:{DEFAULT_PORT}.")
    if "://" not in host:
        scheme = (connection.schema or "http").strip().strip("/").lower()
        host = f"{scheme}://{host}:{connection.port or DEFAULT_PORT}"
    elif connection.port and urlsplit(host).port is None:
        host = f"{host}:{connection.port}"
    parts = urlsplit(host)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"The address of {where} must be http:// or https:// and point at the Ray dashboard (port {DEFAULT_PORT})."
        )
    if parts.username or parts.password:
        raise ValueError(f"Put the token of {where} into its password field, not into the address.")
    return host


def _headers(value: Any, where: str) -> dict[str, str]:
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError(f"The headers of {where} are not valid JSON.") from None
    if not value:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"The headers of {where} must be a JSON object of names and values.")
    return {str(name).strip(): str(text).strip() for name, text in value.items()}


def _boolean(value: Any, where: str) -> bool:
    # Only the exact words turn verification off: a typo must not make the connection insecure.
    if value is None or value == "":
        return True
    if isinstance(value, bool):
        return value
    words = {"true": True, "1": True, "false": False, "0": False}
    if (text := str(value).strip().lower()) in words:
        return words[text]
    raise ValueError(f"The field 'verify' of {where} must be true or false.")


def _positive(value: Any, where: str) -> float:
    if value is None or value == "":
        return DEFAULT_REQUEST_TIMEOUT
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if seconds <= 0:
        raise ValueError(f"The field 'request_timeout' of {where} must be a number of seconds above 0.")
    return seconds
