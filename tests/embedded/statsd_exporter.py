"""A stand-in for Prometheus's statsd_exporter without a mapping, of which no package registry has a build.

It keeps the real one's rules (`pkg/line`, `pkg/mapper/escape.go` and `pkg/exporter` of prometheus/statsd_exporter) for
what Airflow sends: counters add up, a gauge is its last value, timers become summaries in seconds, tags after commas
become labels, and any character of a name that Prometheus does not allow becomes `_`.
"""

import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Labels = frozenset[tuple[str, str]]
Samples = dict[tuple[str, Labels], float]


class StatsdExporter:
    """Receives StatsD's packets at `port` (UDP) and serves what they make at `url`, both on loopback."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: Samples = {}
        self._types: dict[str, str] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._threads = [
            threading.Thread(target=target, daemon=True) for target in (self._receive, self._server.serve_forever)
        ]

    def environment(self) -> dict[str, str]:
        """The settings with which Airflow sends its metrics here, as in docker-compose.yaml."""
        return {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self.port),
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
            "AIRFLOW__METRICS__LEGACY_NAMES_ON": "False",
        }

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._socket.sendto(b"", self._socket.getsockname())  # an empty packet ends the thread that waits for one
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def samples(self) -> Samples:
        """The value of each series so far, by its name and its labels."""
        with self._lock:
            return dict(self._values)

    def exposition(self) -> str:
        """The metrics in Prometheus's text format."""
        with self._lock:
            values, types = dict(self._values), dict(self._types)
        lines = []
        for base, kind in types.items():
            lines.append(f"# TYPE {base} {kind}")
            names = (f"{base}_sum", f"{base}_count") if kind == "summary" else (base,)
            for (name, labels), number in values.items():
                if name in names:
                    shown = ",".join(f'{key}="{value}"' for key, value in sorted(labels))
                    lines.append(f"{name}{{{shown}}} {number!r}")
        return "\n".join(lines) + "\n"

    def _receive(self) -> None:
        while packet := self._socket.recv(65536):
            for line in packet.decode().splitlines():
                self.take(line)

    def take(self, line: str) -> None:
        """One line such as `airflow.ti.finish,dag_id=a:1|c`."""
        stat, _, sample = line.partition(":")
        name, *tags = stat.split(",")
        value, kind = sample.split("|")[:2]
        labels = frozenset((escaped(key), found) for key, _, found in (tag.partition("=") for tag in tags))
        metric = escaped(name)
        with self._lock:
            if kind == "c":
                self._add("counter", metric, metric, labels, float(value))
            elif kind == "ms":
                self._add("summary", metric, f"{metric}_sum", labels, float(value) / 1000)
                self._add("summary", metric, f"{metric}_count", labels, 1)
            elif kind == "g":
                if value[0] not in "+-":
                    self._values.pop((metric, labels), None)
                self._add("gauge", metric, metric, labels, float(value))

    def _add(self, kind: str, base: str, name: str, labels: Labels, value: float) -> None:
        self._types[base] = kind
        self._values[name, labels] = self._values.get((name, labels), 0.0) + value


def escaped(name: str) -> str:
    """A name that Prometheus allows."""
    found = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    return f"_{found}" if found[:1].isdigit() else found


def _handler(exporter: StatsdExporter) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exporter.exposition().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
