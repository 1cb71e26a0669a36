"""The button *Test* of connections: Airflow's API server asks a real Ray head and a real Milvus Lite."""

from typing import Any
from urllib.parse import urlsplit

import pytest


def asked(stage: Any, conn_type: str, host: str, password: str = "") -> tuple[bool, str]:
    body = {"connection_id": "of_a_form", "conn_type": conn_type, "host": host, "password": password}
    answer = stage.airflow.api("POST", "/connections/test", body)
    return answer["status"], answer["message"]


@pytest.mark.parametrize(
    ("token", "good", "begins"),
    [("the-right-token-of-the-test", True, "Ray 2."), ("another-token-of-the-test", False, "Token: Ray at ")],
)
def test_ray_is_asked_with_the_token_of_the_form(stage: Any, token: str, good: bool, begins: str):
    status, message = asked(stage, "ray", stage.ray.dashboard_url, token)
    assert status is good
    assert message.startswith(begins), message
    assert token not in message


def test_a_stored_connection_is_asked_with_its_own_token(stage: Any):
    """As the Airflow UI does it: with every field, and a mask instead of the token."""
    address = urlsplit(stage.ray.dashboard_url)
    stored = {"connection_id": "stored", "conn_type": "ray", "host": address.hostname, "port": address.port}
    stage.airflow.api("POST", "/connections", {**stored, "password": "the-right-token-of-the-test"})
    empty = {"description": "", "login": "", "schema": "", "extra": "{}"}
    answer = stage.airflow.api("POST", "/connections/test", {**stored, **empty, "password": "***"})
    assert answer["status"] is True, answer


def test_milvus_is_asked(stage: Any):
    status, message = asked(stage, "milvus", stage.milvus_uri)
    assert (status, "speaks gRPC only, as Milvus Lite does" in message) == (True, True), message


def test_an_address_that_is_malformed_is_one_sentence(stage: Any):
    sentence = "Put the token of the connection into its password field, not into the address."
    assert asked(stage, "milvus", "http://root:pw@milvus:19530") == (False, sentence)
