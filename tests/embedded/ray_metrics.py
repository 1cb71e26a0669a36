"""What a Ray node exports for Prometheus while jobs run on it."""

import threading
import urllib.request
from types import TracebackType
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

SECONDS = 15
"""Between two looks: less than Ray keeps a gauge of an ended job, and each takes it a tenth of a second."""


class RayMetrics:
    """Collects, from a thread, the last value of each series whose name begins with one of `prefixes`."""

    def __init__(self, address: str, prefixes: tuple[str, ...]) -> None:
        self._url = f"http://{address}/metrics"
        self._prefixes = prefixes
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.values: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(SECONDS):
            self.look()

    def look(self) -> None:
        """Take what is there now; nothing while the node does not answer."""
        try:
            with urllib.request.urlopen(self._url, timeout=SECONDS) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return
        wanted = "\n".join(line for line in lines if line.startswith(self._prefixes)) + "\n"
        for family in text_string_to_metric_families(wanted):
            for sample in family.samples:
                self.values[sample.name, frozenset(sample.labels.items())] = sample.value
