"""Reads and checks the fields of an Airflow connection of type ``ray``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_ray.hooks.address import base_url
from ray_jobs_api.settings import DEFAULT_REQUEST_TIMEOUT, ClusterSettings

if TYPE_CHECKING:
    from airflow.sdk import Connection


def settings_from_connection(connection: Connection) -> ClusterSettings:
    """Read a connection.

    ``host`` is a whole address (``https://ray.example.com:8265/path``) or a host name or IP address with or without a
    port and a path, then with ``port`` (default 8265) and ``schema`` (``http`` or ``https``, default ``http``).
    ``password`` is the token. Extras: see ``provider_info``.

    Raises ``ValueError`` with one sentence when a field is missing or malformed.
    """
    where = f"connection '{connection.conn_id}'"
    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError:
        raise ValueError(f"The extra field of {where} is not valid JSON.") from None
    if not isinstance(extra, dict):
        raise ValueError(f"The extra field of {where} must be a JSON object.")
    address = base_url(connection, where)
    return ClusterSettings(
        base_url=address,
        name=connection.conn_id,
        token=header_value((connection.password or "").strip(), "token", where) or None,
        headers=_headers(extra.get("headers"), where),
        verify=_boolean(extra.get("verify"), where),
        ca_file=str(extra.get("ca_file") or "").strip() or None,
        dashboard_url=_dashboard_url(extra.get("dashboard_url"), where) or address,
        request_timeout=_positive(extra.get("request_timeout"), where),
        job_prefix=str(extra.get("job_prefix") or "airflow"),
    )


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
    return {
        str(name).strip(): header_value(str(text).strip(), f"header '{name}'", where) for name, text in value.items()
    }


def header_value(text: str, role: str, where: str) -> str:
    """The text, if it can be sent in a header. Raises ``ValueError`` with one sentence."""
    if text.isprintable():
        return text
    raise ValueError(f"The {role} of {where} holds a line break or another control character.")


def _dashboard_url(value: Any, where: str) -> str:
    text = str(value or "").strip().rstrip("/")
    if text and not text.lower().startswith(("http://", "https://")):
        raise ValueError(f"The field 'dashboard_url' of {where} must begin with http:// or https://.")
    return text


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
