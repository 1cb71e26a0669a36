"""The demo's search service on the embedded Ray head."""

import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from embedded.platform import Platform
from embedded.ports import free_ports
from embedded.processes import base_environment
from embedded.progress import Progress

SCRIPT = Path(__file__).parents[2] / "ray_jobs" / "serve_search.py"
SECONDS = 240.0
STEP = "service"


class ServiceError(RuntimeError):
    """The search service was not deployed."""


@dataclass(frozen=True)
class Service:
    """Where the service answers, and the token that opens it."""

    url: str
    token: str

    def connection(self) -> dict[str, str]:
        """Airflow's connection to it, for the page."""
        return {"connection_id": "search_default", "conn_type": "http", "host": self.url, "password": self.token}


def deploy_service(platform: Platform, hub: bool, progress: Progress) -> Service:
    """Deploy the service; it ends with the Ray head. Raises ServiceError."""
    progress.step(STEP, "Ray Serve starts it, and it loads the models")
    token, file = secrets.token_urlsafe(), platform.ray.folder.parent / "search-token"
    file.write_text(token)
    (port,) = free_ports(1)
    flags = ["--milvus-uri", platform.milvus.uri, "--http-port", str(port), "--token-file", str(file)]
    environment = {
        **base_environment(), **platform.object_store.environment(), **platform.ray.client_environment(),
        "HF_HUB_OFFLINE": "0" if hub else "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *flags], capture_output=True, text=True, env=environment, timeout=SECONDS
    )
    if done.returncode != 0:
        raise ServiceError(f"serve_search.py ended with exit code {done.returncode}\n{done.stderr[-2000:]}")
    service = Service(f"http://127.0.0.1:{port}", token)
    progress.end(STEP, f"searches at {service.url}")
    return service
