"""Connection fields: what is accepted, what is refused with one sentence, and that secrets do not show."""

import json

import pytest
from airflow.sdk import Connection

from airflow_ray.hooks.connection import settings_from_connection
from airflow_ray.provider_info import get_provider_info


def read(**fields):
    if isinstance(fields.get("extra"), dict):
        fields["extra"] = json.dumps(fields["extra"])
    return settings_from_connection(Connection(conn_id="c", conn_type="ray", **fields))


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "http://ray:8265/"}, "http://ray:8265"),
        ({"host": "https://ray.example.com"}, "https://ray.example.com"),
        ({"host": "https://ray.example.com/proxy/"}, "https://ray.example.com/proxy"),
        ({"host": "ray"}, "http://ray:8265"),
        ({"host": "ray", "port": 80, "schema": "https"}, "https://ray:80"),
        ({"host": "http://ray", "port": 8265}, "http://ray:8265"),
    ],
)
def test_addresses(fields, url):
    assert read(**fields).base_url == url


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "has no address"),
        ({"host": "ray://head:10001"}, "must be http"),
        ({"host": "http://user:token@head:8265"}, "password field"),
        ({"host": "h", "extra": "{"}, "not valid JSON"),
        ({"host": "h", "extra": {"headers": "x"}}, "headers"),
        ({"host": "h", "extra": {"verify": "maybe"}}, "'verify'"),
        ({"host": "h", "extra": {"request_timeout": 0}}, "'request_timeout'"),
    ],
)
def test_wrong_fields_are_named(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        read(**fields)


def test_tls_is_verified_unless_turned_off():
    assert read(host="https://h").verify
    assert read(host="https://h", extra={"verify": ""}).verify
    assert not read(host="https://h", extra={"verify": "false"}).verify


def test_secrets_do_not_show():
    settings = read(host="http://h", password="the-token", extra={"headers": '{"X-Key": "the-key"}'})
    assert settings.secrets == ["the-token", "the-key"]
    assert "the-token" not in repr(settings)
    assert "the-key" not in repr(settings)


def test_airflow_knows_the_connection_type():
    from airflow.providers_manager import ProvidersManager
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    manager = ProvidersManager()
    assert ProvidersManagerTaskRuntime().hooks["ray"].hook_class_name == "airflow_ray.hooks.cluster.RayHook"
    fields = get_provider_info()["connection-types"][0]["conn-fields"]
    for name in fields:
        assert f"extra__ray__{name}" in manager.connection_form_widgets
    assert manager.connection_form_widgets["extra__ray__headers"].is_sensitive


def test_airflow_shows_the_version_of_the_distribution():
    from importlib.metadata import version

    from airflow.providers_manager import ProvidersManager

    assert ProvidersManager().providers["airflow-ray-ingest"].version == version("airflow-ray-ingest")
