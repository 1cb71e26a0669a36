"""docker-compose.yaml by itself, checked without a Docker engine by rules as `deployment` defines them."""

import importlib.metadata
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from deployment import (
    ROOT,
    Deployment,
    Mutation,
    Rule,
    command_of,
    dockerfile_lines,
    listening_ports,
    mutation_ids,
    rules,
)

ONE_SHOTS = {"airflow-init", "s3-init"}
SERVICE_KEYS = {
    *("build", "command", "depends_on", "deploy", "environment", "healthcheck", "image", "logging", "networks"),
    *("ports", "profiles", "restart", "security_opt", "shm_size", "stop_grace_period", "ulimits", "volumes"),
}


def networks(service: dict[str, Any]) -> set[str]:
    return set(service.get("networks", ["default"]))


def schema(d: Deployment) -> list[str]:
    """The compose-spec schema that check-jsonschema carries, and the keys of services that this project knows."""
    found = [f"{n}: unknown key {k}" for n, s in d.services.items() for k in s if k not in SERVICE_KEYS]
    files = importlib.metadata.files("check-jsonschema") or []
    (path,) = [Path(str(file.locate())) for file in files if file.name == "compose-spec.json"]
    validator = jsonschema.Draft7Validator(json.loads(path.read_text()))
    return found + [error.message for error in validator.iter_errors(d.raw)]


def images_are_pinned(d: Deployment) -> list[str]:
    images = {name: service["image"] for name, service in d.services.items()}
    images |= {f"{name} FROM": line.split()[1] for name, line in dockerfile_lines(d, "FROM")}
    return [f"{n}: {i}" for n, i in images.items() if not re.search(r":(?!latest)[\w.-]*\d+\.?[\w.-]*$", i)]


def long_running_services_have_health_checks(d: Deployment) -> list[str]:
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


def dependencies_can_be_met(d: Deployment) -> list[str]:
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
            elif int(match[1]) not in listening_ports(service):
                found.append(f"{name}: nothing listens on {match[1]}")
    return found


def addresses_reach_a_service(d: Deployment) -> list[str]:
    """Every host:port in an environment, a command or a health check belongs to a service on a shared network.

    `localhost` is the container itself, except in environments, which show people a published port.
    """
    address = re.compile(r"(?:^|[/@=])([a-z][a-z0-9-]*):(\d+)(?=[/\"\s]|$)", re.M)
    published = {port.split(":")[1] for service in d.services.values() for port in service.get("ports", [])}
    found = []
    for name, service in d.services.items():
        inside = "\n".join(map(str, command_of(service) + service.get("healthcheck", {}).get("test", [])))
        environment = "\n".join(map(str, service.get("environment", {}).values()))
        for host, port in address.findall(environment) + address.findall(inside):
            target = service if host == "localhost" else d.services.get(host)
            if host == "localhost" and f"{host}:{port}" in environment:
                found += [] if port in published else [f"{name}: {port} is not published"]
            elif target is None:
                found.append(f"{name}: {host} is no service")
            elif int(port) not in listening_ports(target):
                found.append(f"{name}: {host} does not listen on {port}")
            elif not networks(target) & networks(service):
                found.append(f"{name} shares no network with {host}")
    return found


MUTATIONS: list[Mutation] = [
    (schema, "compose", "    stop_grace_period: 30s", "    stop_grace_periods: 30s"),
    (schema, "compose", "    start_period: 120s", "    start_period: [120s]"),  # only the full schema catches this
    (images_are_pinned, "compose", "chrislusf/seaweedfs:4.48", "chrislusf/seaweedfs:latest"),
    (images_are_pinned, "compose", "milvusdb/milvus:v3.0.2", "milvusdb/milvus"),
    (images_are_pinned, "compose", "FROM python:3.11.14-slim-bookworm", "FROM python:slim"),
    (long_running_services_have_health_checks, "compose", 'restart: "no"', "restart: always"),
    (
        long_running_services_have_health_checks,
        "compose",
        "    restart: unless-stopped\n\n  # Runs once",
        "\n  # Runs once",
    ),
    (
        long_running_services_have_health_checks,
        "compose",
        "      start_period: 30s\n    stop_grace_period",
        "    stop_grace_period",
    ),
    (
        dependencies_can_be_met,
        "compose",
        "postgres: {condition: service_healthy}",
        "mysql: {condition: service_healthy}",
    ),
    (dependencies_can_be_met, "compose", "s3: {condition: service_healthy}", "s3-init: {condition: service_healthy}"),
    (volumes_exist, "compose", "./dags:/opt/airflow/dags:ro", "./dag:/opt/airflow/dags:ro"),
    (volumes_exist, "compose", "./plugins:/opt/airflow/plugins:ro", "./plugins:/opt/airflow/plugins"),
    (volumes_exist, "compose", "  s3-data: {}\n", ""),
    (ports_are_local, "compose", "127.0.0.1:${S3_PORT:-8333}:8333", "${S3_PORT:-8333}:8333"),
    (ports_are_local, "compose", "${MILVUS_PORT:-19530}:19530", "${MILVUS_PORT:-19530}:19531"),
    (addresses_reach_a_service, "compose", "AWS_ENDPOINT_URL: http://s3:8333", "AWS_ENDPOINT_URL: http://s3:9000"),
    (addresses_reach_a_service, "compose", '"host": "http://ray-head:8265"', '"host": "http://ray:8265"'),
    (addresses_reach_a_service, "compose", "localhost:${RAY_DASHBOARD_PORT:-8265}", "localhost:8266"),
    (addresses_reach_a_service, "compose", "@postgres:5432/", "@postgres:5433/"),
    (addresses_reach_a_service, "compose", "localhost:8974", "localhost:8975"),
    (addresses_reach_a_service, "compose", "networks: [default, milvus-storage]", "networks: [default]"),
    (addresses_reach_a_service, "compose", "http://milvus:19530", "http://milvus-minio:9000"),
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


def test_readme_says_what_may_differ_with_each_image(deployment: Deployment) -> None:
    readme = (ROOT / "dags" / "README.md").read_text().split("## On one server: docker compose", 1)[1]
    images = {service["image"] for service in deployment.services.values() if "build" not in service}
    images |= {line.split()[1] for _, line in dockerfile_lines(deployment, "FROM")}
    assert {image for image in images if f"`{image.partition(':')[0]}`" not in readme} == set()


def test_compose_itself_accepts_the_file(tmp_path: Path, deployment: Deployment) -> None:
    """`docker compose config` needs the client and its plugin but no engine. docker-compose 1.x is too old here."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no docker compose plugin here: docker-compose.yaml was not parsed by compose itself")
    env = tmp_path / "env"
    env.write_text("".join(f"{name}={value or 'x'}\n" for name, value in deployment.settings.items()))
    command = [
        docker,
        "compose",
        "-f",
        str(ROOT / "docker-compose.yaml"),
        "--profile",
        "gpu",
        "--profile",
        "monitoring",
    ]
    done = subprocess.run(
        [*command, "--env-file", str(env), "config", "--quiet"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    env.write_text("")
    done = subprocess.run([*command, "--env-file", str(env), "config", "--quiet"], capture_output=True, check=False)
    assert done.returncode != 0, "compose started without its secrets"
