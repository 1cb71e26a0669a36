"""Connection fields: what is accepted, what is refused with one sentence, and that secrets do not show."""

import json

import pytest
from airflow.sdk import Connection

from airflow_ray.hooks.connection import settings_from_connection
from airflow_ray.provider_info import get_provider_info


def read(**fields):
    if isinstance(fields.get("extra"), dict):
        fields["extra"] = json.dumps(fields["extra"])
    return settings_from_connection(Connection(**{"conn_id": "c", "conn_type": "ray", **fields}))


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "http://ray:8265/"}, "http://ray:8265"),
        ({"host": "https://ray.example.com"}, "https://ray.example.com"),
        ({"host": "https://ray.example.com/proxy/"}, "https://ray.example.com/proxy"),
        ({"host": "ray"}, "http://ray:8265"),
        ({"conn_type": "http", "host": "ray", "port": 443, "schema": "https"}, "https://ray:443"),
        ({"conn_type": "http", "host": "http://ray:8265/path"}, "http://ray:8265/path"),
        ({"host": "ray", "port": 80, "schema": "https"}, "https://ray:80"),
        ({"host": "http://ray", "port": 8265}, "http://ray:8265"),
        ({"host": "https://gw.example.com/ray", "port": 443}, "https://gw.example.com:443/ray"),
        ({"host": "gw.example.com/ray/", "port": 443, "schema": "https"}, "https://gw.example.com:443/ray"),
        ({"host": "gw.example.com/ray"}, "http://gw.example.com:8265/ray"),
        ({"host": "https://gw.example.com/my team/ray"}, "https://gw.example.com/my%20team/ray"),
        ({"host": "https://gw.example.com/my%20team"}, "https://gw.example.com/my%20team"),
        ({"host": "ray-head:8265"}, "http://ray-head:8265"),
        ({"host": "ray.example.com."}, "http://ray.example.com.:8265"),
        ({"host": "ray-head:8265", "port": 8265, "schema": "HTTPS://"}, "https://ray-head:8265"),
        ({"host": " HTTPS://Ray.Example.com// ", "port": 0}, "https://ray.example.com"),
        ({"host": "2001:db8::7"}, "http://[2001:db8::7]:8265"),
        ({"host": "2001:db8::7/ray", "port": 80}, "http://[2001:db8::7]:80/ray"),
        ({"host": "[::1]"}, "http://[::1]:8265"),
        ({"host": "[::1]:80/ray"}, "http://[::1]:80/ray"),
        ({"host": "https://2001:db8::7", "port": 443}, "https://[2001:db8::7]:443"),
        ({"host": "fe80::1%eth0"}, "http://[fe80::1%25eth0]:8265"),
        ({"host": "http://[fe80::1%25eth0]:8265"}, "http://[fe80::1%25eth0]:8265"),
    ],
)
def test_addresses(fields, url):
    assert read(**fields).base_url == url


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        ("ray://ray-head", "http://ray-head:8265"),
        ("ray://gw.example.com:443/https", "https://gw.example.com:443"),
        ("ray://https://gw.example.com:443/ray", "https://gw.example.com:443/ray"),
        ("ray://https%3A%2F%2Fgw.example.com%2Fray:443", "https://gw.example.com:443/ray"),
        ("ray://https://[2001:db8::7]:443/ray/x", "https://[2001:db8::7]:443/ray/x"),
        ("ray://[2001:db8::7]:80", "http://[2001:db8::7]:80"),
        ("https://gw.example.com:443/ray", "https://gw.example.com:443/ray"),
        ("http://ray-head:8265", "http://ray-head:8265"),
    ],
)
def test_addresses_in_the_environment(uri, url):
    assert settings_from_connection(Connection.from_uri(uri, conn_id="c")).base_url == url


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "has no address"),
        ({"host": "ray://head:10001"}, "must be http"),
        ({"host": "http://user:token@head:8265"}, "password field"),
        ({"host": "token@head"}, "password field"),
        ({"host": "head", "schema": "ray"}, "must be http"),
        ({"host": "http://head:99999"}, "malformed"),
        ({"host": "http://head:port"}, "malformed"),
        ({"host": "head", "port": 70000}, "malformed"),
        ({"host": "head..example.com"}, "malformed"),
        ({"host": f"{'h' * 64}.example.com"}, "malformed"),
        ({"host": "2001:db8:0:0:0:0:0:7:8265"}, "brackets"),
        ({"host": "http://head?token=x"}, "leave out"),
        ({"host": "http://head:8265", "port": 80}, "two ports: 8265 in its host, and 80"),
        ({"host": "http://head", "schema": "https"}, "begins with http://, and its scheme says https"),
        ({"host": "h", "password": "one\ntwo"}, "The token .* line break"),
        ({"host": "h", "extra": {"headers": {"X": "one\ntwo"}}}, "header 'X' .* line break"),
        ({"host": "h", "extra": {"dashboard_url": "javascript:x"}}, "'dashboard_url'"),
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
