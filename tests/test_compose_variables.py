"""docker-compose.yaml: its variables, secrets and settings, compared with .env.example and the programs behind them."""

import importlib.util
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from deployment import Deployment, Mutation, Rule, mutation_ids, rules

SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|KEY")


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
    """airflow_ray knows the type and the extras of the connection, and reads the address from it."""
    from airflow_ray.hooks.connection import settings_from_connection
    from airflow_ray.provider_info import DEFAULT_CONN_ID, get_provider_info

    environment = d.services["airflow-triggerer"]["environment"]
    fields = json.loads(environment["AIRFLOW_CONN_RAY_DEFAULT"])
    kinds = {kind["connection-type"]: kind for kind in get_provider_info()["connection-types"]}
    if f"AIRFLOW_CONN_{DEFAULT_CONN_ID.upper()}" not in environment or fields["conn_type"] not in kinds:
        return ["the connection's name or type"]
    extra = fields.pop("extra")
    found = [f"unknown extra {key}" for key in set(extra) - set(kinds["ray"]["conn-fields"])]
    connection = SimpleNamespace(conn_id=DEFAULT_CONN_ID, port=None, schema=None, extra=json.dumps(extra), **fields)
    settings = settings_from_connection(cast(Any, connection))
    if settings.base_url != "http://ray-head:8265" or not settings.token:
        found.append(f"read as {settings}")
    return found


def milvus_connection_is_read_and_has_no_token(d: Deployment) -> list[str]:
    """Jobs have the token from the environment of the Ray nodes."""
    from ray_ingest.milvus import DEFAULT_CONN_ID, milvus_server

    fields = json.loads(d.services["airflow-scheduler"]["environment"].get("AIRFLOW_CONN_MILVUS_DEFAULT", "{}"))
    names = dict.fromkeys(("host", "port", "schema", "login", "password", "extra"))
    server = milvus_server(cast(Any, SimpleNamespace(**{**names, "conn_id": DEFAULT_CONN_ID, **fields})))
    found = [] if server.uri == "http://milvus:19530" else [f"read as {server}"]
    return found + (["it has a token"] if server.token else [])


def only_the_api_server_has_the_token_of_milvus(d: Deployment) -> list[str]:
    """For the page. No task runs there, and the other services do without it."""
    from ray_ingest.milvus import DEFAULT_CONN_ID, milvus_server

    names = dict.fromkeys(("host", "port", "schema", "login", "password", "extra"))
    tokens = {}
    for name, service in d.services.items():
        if value := service.get("environment", {}).get("AIRFLOW_CONN_MILVUS_DEFAULT"):
            fields = {**names, "conn_id": DEFAULT_CONN_ID, **json.loads(value)}
            server = milvus_server(cast(Any, SimpleNamespace(**fields)))
            if server.token or name == "airflow-api-server":
                tokens[name] = (server.uri, server.token)
    root = "root:" + d.services["milvus"]["environment"]["COMMON_SECURITY_DEFAULTROOTPASSWORD"]
    expected = {"airflow-api-server": ("http://milvus:19530", root)}
    return [] if tokens == expected else [f"tokens of {sorted(tokens)}"]


def airflow_settings_exist(d: Deployment) -> list[str]:
    package = importlib.util.find_spec("airflow")  # not imported, because that reads, and may write, a configuration
    assert package is not None and package.origin is not None
    sections = yaml.safe_load((Path(package.origin).parent / "config_templates" / "config.yml").read_text())
    found = []
    for key in d.services["airflow-scheduler"]["environment"]:
        match = re.fullmatch(r"AIRFLOW__([A-Z_]+?)__([A-Z_]+)", key)
        if match and match[2].lower() not in sections.get(match[1].lower(), {}).get("options", {}):
            found.append(f"{key}: no such setting")
        elif not match and not re.fullmatch(r"AIRFLOW_(CONN_(RAY|MILVUS)_DEFAULT|VAR_INGEST_[A-Z_]+)", key):
            found.append(f"{key}: not a setting, a connection or a variable")
    return found


MUTATIONS: list[Mutation] = [
    (milvus_connection_is_read_and_has_no_token, "compose", '"host": "http://milvus:19530"}', '"host": "milvus:1"}'),
    (milvus_connection_is_read_and_has_no_token, "compose", '"http://milvus:19530"}', '"milvus", "password": "p"}'),
    (only_the_api_server_has_the_token_of_milvus, "compose", '"login": "root",', '"login": "admin",'),
    (
        only_the_api_server_has_the_token_of_milvus,
        "compose",
        '"host": "http://milvus:19530"}\'',
        '"host": "milvus", "password": "p"}\'',
    ),
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
    (secrets_have_no_default, "env", "its volume is created: openssl rand -hex 24", "its volume is created"),
    (both_ends_share_a_secret, "compose", "MILVUS_TOKEN: root:$", "MILVUS_TOKEN: admin:$"),
    (both_ends_share_a_secret, "compose", "RAY_AUTH_MODE: token", "RAY_AUTH_MODE: disabled"),
    (both_ends_share_a_secret, "compose", "MINIO_ROOT_USER: milvus", "MINIO_ROOT_USER: minio"),
    (both_ends_share_a_secret, "compose", '"password": "${RAY_AUTH_TOKEN', '"password": "${AIRFLOW_JWT_SECRET'),
    (connection_fits_the_provider, "compose", '"conn_type": "ray"', '"conn_type": "http"'),
    (connection_fits_the_provider, "compose", '"dashboard_url"', '"dashboard"'),
    (connection_fits_the_provider, "compose", "http://ray-head:8265", "http://ray-head:6379"),
    (airflow_settings_exist, "compose", "AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__JWT_SECRET"),
    (airflow_settings_exist, "compose", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__WEBSERVER__SECRET_KEYS"),
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
