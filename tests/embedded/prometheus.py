"""A real Prometheus on loopback, with the configuration of the repository; it comes from the system's packages."""

import json
import shutil
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from embedded.http import request_json
from embedded.ports import free_ports
from embedded.processes import Part

CONFIGURATION = Path(__file__).resolve().parents[2] / ".monitoring"
SECONDS = {"airflow": 1, "ray": 5}
"""Between two scrapes of a job: a test sees what it has made at once. Ray takes a tenth of a second for each."""


def installed() -> bool:
    """Whether there is a program `prometheus` (Debian's package of this name has it)."""
    return shutil.which("prometheus") is not None


class Prometheus(Part):
    """Prometheus with the repository's rules.

    targets: the address that it scrapes for each job of the repository's configuration.
    """

    name = "prometheus"

    def __init__(self, folder: Path, targets: Mapping[str, str]) -> None:
        super().__init__(folder)
        self._targets = targets
        (port,) = free_ports(1)
        self.address = f"127.0.0.1:{port}"

    def command(self) -> list[str]:
        return [
            "prometheus",
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={self.address}",
        ]

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = yaml.safe_load((CONFIGURATION / "prometheus.yml").read_text())
        configuration["global"] = {"evaluation_interval": "1s"}
        configuration["rule_files"] = [str(CONFIGURATION / name) for name in configuration["rule_files"]]
        configuration["scrape_configs"] = [
            {
                "job_name": name,
                "scrape_interval": f"{SECONDS[name]}s",
                "scrape_timeout": f"{SECONDS[name]}s",
                "static_configs": [{"targets": [self._targets[name]]}],
            }
            for name in (job["job_name"] for job in configuration["scrape_configs"])
        ]
        (self.folder / "prometheus.yml").write_text(json.dumps(configuration))

    def serves(self) -> bool:
        request_json("GET", f"http://{self.address}/api/v1/status/runtimeinfo", timeout=2)
        return True

    def query(self, expression: str, time: float) -> list[tuple[dict[str, str], float]]:
        """The labels and the value of each series at a time."""
        found = self._ask("query", query=expression, time=time)
        return [(series["metric"], float(series["value"][1])) for series in found]

    def has_ever_a_value(self, expression: str, start: float, end: float) -> bool:
        """Whether a query had a value between two times."""
        return bool(self.history(expression, start, end))

    def history(self, expression: str, start: float, end: float) -> list[list[float]]:
        """The values of each series between two times, every five seconds."""
        found = self._ask("query_range", query=expression, start=start, end=end, step=5)
        return [[float(value) for _, value in series["values"]] for series in found]

    def _ask(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        asked = urllib.parse.urlencode(parameters)
        answer: Any = request_json("GET", f"http://{self.address}/api/v1/{path}?{asked}")
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result
