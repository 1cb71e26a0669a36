"""What the plugin registers of the page. Whatever is wrong with it costs the page and is logged; Airflow starts."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

URL_PREFIX = "/ray-ingest"
"""Where the API server mounts the page's API and files."""

NAME = "Ray ingest"
"""The page in the menu. It becomes a name of the browser's global scope, too, where it must be the only one."""

_STATIC = Path(__file__).parent / "static"

log = logging.getLogger(__name__)


def react_apps() -> list[dict[str, Any]]:
    """The page in the menu of the Airflow UI."""
    try:
        # Without a leading slash: with one, the address would leave out the base path of the site.
        files = f"{URL_PREFIX.lstrip('/')}/static/{_version()}"
        return [
            {
                "name": NAME,
                "bundle_url": f"{files}/main.js",
                "icon": f"{files}/icon.svg",
                "icon_dark_mode": f"{files}/icon-dark.svg",
                "url_route": "ray-ingest",
                "destination": "nav",
                "category": "browse",
            }
        ]
    except Exception:
        log.exception("The page %s is missing in the menu.", NAME)
        return []


def fastapi_apps() -> list[dict[str, Any]]:
    """The page's API. Only the API server asks for it, and only then its modules load, which takes a second."""
    try:
        from ray_ingest.page.api import create_app
        from ray_ingest.page.milvus_client import MilvusClient

        return [{"app": create_app(MilvusClient(), _version()), "url_prefix": URL_PREFIX, "name": NAME}]
    except Exception:
        log.exception("The page %s has no API.", NAME)
        return []


def _version() -> str:
    """A digest of the page's files."""
    files = sorted(path for path in _STATIC.iterdir() if path.is_file())
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()[:12]
