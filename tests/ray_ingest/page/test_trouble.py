"""What goes wrong costs the page an answer, with a sentence: Milvus away, no pymilvus, a broken page."""

import asyncio
import json
import logging
import sys

import pytest
from airflow.exceptions import AirflowNotFoundException
from airflow.models import Connection

from embedded.ports import free_ports
from ray_ingest.milvus import MilvusServer
from ray_ingest.page import registration
from ray_ingest.page.cache import ERROR_SECONDS, Answers
from ray_ingest.page.milvus_client import MilvusClient, MilvusError
from ray_ingest.page.target import Target, find_target
from ray_ingest.plugin import RayIngestPlugin


def sentence(client):
    with pytest.raises(MilvusError) as caught:
        asyncio.run(client.names())
    return str(caught.value)


@pytest.mark.tier("parts")
def test_a_server_that_is_away_is_named():
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    said = sentence(MilvusClient(lambda: Target(MilvusServer(address))))
    assert said == f"Milvus at {address} cannot be reached. Runs and the rest of Airflow do not depend on this page."


def test_an_api_server_without_pymilvus_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    said = sentence(MilvusClient(lambda: Target(MilvusServer("http://127.0.0.1:1"))))
    assert said.startswith("The API server has no pymilvus: install airflow-ray-ingest[airflow,page]")


def test_the_target_is_what_airflow_knows(monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_MILVUS_DEFAULT",
        '{"conn_type": "milvus", "host": "milvus", "password": "a:b", "extra": {"page_seconds": 5}}',
    )
    monkeypatch.setenv("AIRFLOW_VAR_INGEST_COLLECTION_PREFIX", " team_\n")
    monkeypatch.setenv("AIRFLOW_VAR_INGEST_SOURCE_ROOT", "s3://bucket/")
    found = find_target()
    assert found == Target(MilvusServer("http://milvus:19530", token="a:b"), "team_", "s3://bucket", 5.0)
    assert found.named("sources") == "team_sources"


@pytest.mark.parametrize("seconds", ["soon", -1, 1000, [0]])
def test_seconds_that_are_none_are_named(monkeypatch, seconds):
    extra = {"page_seconds": seconds}
    connection = {"conn_type": "milvus", "host": "milvus", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_MILVUS_DEFAULT", json.dumps(connection))
    assert "'page_seconds' of connection 'milvus_default' must be a number" in sentence(MilvusClient(find_target))


def test_a_missing_connection_is_named(monkeypatch):
    def missing(conn_id):
        raise AirflowNotFoundException(conn_id)

    monkeypatch.setattr(Connection, "get_connection_from_secrets", missing)
    assert sentence(MilvusClient(find_target)).startswith("Make the connection milvus_default of type milvus")


def test_a_secrets_backend_that_fails_is_no_error_of_the_server(monkeypatch):
    def fail(conn_id):
        raise RuntimeError("the vault is sealed")

    monkeypatch.setattr(Connection, "get_connection_from_secrets", fail)
    assert sentence(MilvusClient(find_target)) == "Airflow cannot read the connection milvus_default (RuntimeError)."


def test_a_broken_page_leaves_the_plugin_without_one(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(registration, "_STATIC", tmp_path / "none")
    with caplog.at_level(logging.ERROR):
        assert RayIngestPlugin().fastapi_apps == registration.react_apps() == []
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


def test_the_page_is_registered_below_the_base_path_of_the_site():
    plugin = RayIngestPlugin()
    (shown,), (mounted,) = plugin.react_apps, plugin.fastapi_apps
    assert mounted["url_prefix"] == "/ray-ingest"
    path = shown["bundle_url"].removeprefix("ray-ingest")
    assert any(path.startswith(route.path) for route in mounted["app"].routes)
    for key in ("bundle_url", "icon", "icon_dark_mode"):
        assert (registration._STATIC / shown[key].rpartition("/")[2]).is_file()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_answers_are_shared_and_kept_for_longer_where_they_cost_more():
    clock, asked = Clock(), []

    async def make() -> int:
        asked.append(clock.now)
        await asyncio.sleep(0)
        clock.now += 2.0  # which is 10 % of 20 s
        return len(asked)

    async def use() -> None:
        answers = Answers(clock)
        assert await asyncio.gather(*(answers.get("key", make, 3.0) for _ in range(5))) == [1] * 5
        clock.now += 19.0
        assert await answers.get("key", make, 3.0) == 1
        assert await answers.get("another", make, 3.0) == 2
        clock.now += 2.0
        assert await answers.get("key", make, 3.0) == 3

    asyncio.run(use())


def test_a_failure_is_kept_for_a_moment_only():
    clock, asked = Clock(), []

    async def fail() -> None:
        asked.append(1)
        raise MilvusError("away")

    async def use() -> None:
        answers = Answers(clock)
        for _ in range(3):
            with pytest.raises(MilvusError):
                await answers.get("key", fail, 30.0)
        clock.now += ERROR_SECONDS
        with pytest.raises(MilvusError):
            await answers.get("key", fail, 30.0)

    asyncio.run(use())
    assert len(asked) == 2
