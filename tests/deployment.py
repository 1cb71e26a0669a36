"""The files of the deployment with docker compose, as the rules of `test_compose*.py` read them.

A rule is a function from a `Deployment` to the list of its faults. The tests run every rule twice: on the files of the
repository, where it must find nothing, and on broken copies (`MUTATIONS`), where it must find a fault. No rule checks
whether an image exists in its registry, builds and starts, or how its entrypoint treats the command.
"""

import functools
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import yaml

ROOT = Path(__file__).resolve().parents[1]
VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?P<kind>:[-?])?(?P<word>[^}]*)\}")
# The default ports of images whose commands do not name a port; by parts of the image's name and of the command.
DEFAULT_PORTS = {
    "postgres": {5432},
    "milvusdb/milvus": {19530, 9091},
    "airflow-ray-ingest-airflow api-server": {8080},
    "airflow-ray-ingest-airflow scheduler": {8974},
    "prom/prometheus": {9090},
    "grafana/grafana": {3000},
}


@dataclass(frozen=True)
class Deployment:
    """The texts of the three files."""

    compose: str
    env: str
    ignore: str

    @classmethod
    def of_the_repository(cls) -> Self:
        return cls(*((ROOT / name).read_text() for name in ("docker-compose.yaml", ".env.example", ".dockerignore")))

    def broken(self, file: str, old: str, new: str) -> Self:
        """A copy in which one file has `new` instead of `old`."""
        text = getattr(self, file)
        assert old in text, "the mutation no longer applies"
        return replace(self, **{file: text.replace(old, new)})

    @property
    def raw(self) -> dict[str, Any]:
        return _parse(self.compose)

    @property
    def model(self) -> dict[str, Any]:
        """The compose file after interpolation; a secret without a default is `<NAME>`."""
        return _model(self.compose)

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        return self.model["services"]

    @property
    def settings(self) -> dict[str, str]:
        """The variables of .env.example with their values."""
        lines = (line for line in self.env.splitlines() if line and not line.startswith("#"))
        return dict(line.split("=", 1) for line in lines)

    def variables(self) -> list[re.Match[str]]:
        code = "\n".join(line for line in self.compose.splitlines() if not line.lstrip().startswith("#"))
        return list(VARIABLE.finditer(code))


@functools.cache
def _parse(text: str) -> dict[str, Any]:
    return yaml.safe_load(text)


@functools.cache
def _model(text: str) -> dict[str, Any]:
    return _interpolate(_parse(text))


def _interpolate(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _interpolate(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_interpolate(value) for value in node]
    if isinstance(node, str):
        value = VARIABLE.sub(lambda m: m["word"] if m["kind"] == ":-" else f"<{m['name']}>", node)
        return value.replace("$$", "$")
    return node


def command_of(service: dict[str, Any]) -> list[str]:
    """The words of a service's command."""
    command = service.get("command", [])
    return shlex.split(command) if isinstance(command, str) else [str(word) for word in command]


def listening_ports(service: dict[str, Any]) -> set[int]:
    """The ports that a service listens on, according to its command and its image."""
    command = " ".join(command_of(service))
    ports = {int(port) for port in re.findall(r"port[=\s](\d+)", command)}
    listen = r"--(?:address=|listen-client-urls=http://0\.0\.0\.0|statsd\.listen-udp=|web\.listen-address=):(\d+)"
    ports |= {int(port) for port in re.findall(listen, command)}
    label = f"{service['image']} {command}"
    for image, defaults in DEFAULT_PORTS.items():
        if all(part in label for part in image.split()):
            ports |= defaults
    return ports


def dockerfile_lines(d: Deployment, instruction: str) -> Iterator[tuple[str, str]]:
    """The service and the line of every occurrence of an instruction in the inline Dockerfiles."""
    for name, service in d.services.items():
        text = service.get("build", {}).get("dockerfile_inline", "").replace("\\\n", " ")
        yield from ((name, line) for line in text.splitlines() if line.startswith(instruction + " "))


Rule = Callable[[Deployment], list[str]]
Mutation = tuple[Rule, str, str, str]
"""A rule, a file, a text in it and its replacement, which make a broken copy that the rule must catch."""


def rules(mutations: list[Mutation]) -> list[Rule]:
    return list(dict.fromkeys(rule for rule, *_ in mutations))


def mutation_ids(mutations: list[Mutation]) -> list[str]:
    """The names of the mutations as test parameters."""
    return [f"{rule.__name__}-{number}" for number, (rule, *_) in enumerate(mutations)]
