"""The Test button's sentence for each part of the way to a cluster that can be at fault."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from embedded.certificates import self_signed
from embedded.gateway import Gateway
from embedded.ports import free_ports
from ray_jobs_api.diagnosis import diagnose
from ray_jobs_api.settings import ClusterSettings

VERSION = ("GET /api/version", 200, '{"ray_version": "2.60.0", "session_name": "session_7"}')
NO_JOB = ("GET /api/jobs/", 404, "Job airflow-connection-test does not exist")


def asked(url: str, *answers: tuple[Any, ...], gateway: Gateway | None = None, **settings: Any) -> tuple[bool, str]:
    """The diagnosis of a dashboard that answers so, and that nobody is behind."""
    with ExitStack() as stack:
        for answer in answers:
            assert gateway is not None
            stack.enter_context(gateway.answers(*answer))
        return asyncio.run(diagnose(ClusterSettings(url, "airflow_x7", **settings)))


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Gateway("http://127.0.0.1:9") as gateway:
        yield gateway


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls") / "server.pem")


@pytest.fixture(scope="module")
def encrypted(certificate: Path) -> Iterator[Gateway]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with Gateway("http://127.0.0.1:9", context) as gateway:
        yield gateway


def test_a_cluster_that_can_be_used_tells_its_version(gateway):
    assert asked(gateway.url, VERSION, NO_JOB, gateway=gateway) == (True, "Ray 2.60.0, session session_7.")


@pytest.mark.parametrize(
    ("answers", "begins", "says"),
    [
        ([("GET /", 404, "no route")], "Proxy path: The server at ", "check that the address has the path"),
        ([("GET /", 200, "<html>Sign in</html>")], "Proxy path: ", "does not answer like Ray"),
        ([("GET /", 502, "<h1>502 Bad</h1>\\n<p>nginx</p>")], "Proxy path: ", "answered HTTP 502: 502 Bad; check"),
        ([("GET /", 301, "")], "Address: ", "redirects (HTTP 301): put the final address into the connection."),
        (
            [("GET /", 400, "<html>plain HTTP request was sent to HTTPS port</html>")],
            "TLS: ",
            "HTTP 400): plain HTTP request was sent to",
        ),
        ([("GET /", 401, "")], "Token: ", "requires a token (HTTP 401); put the cluster's token"),
        ([VERSION, ("GET /api/jobs/", 403, "")], "Token: ", "refused the token (HTTP 403); put the cluster's token"),
        ([VERSION, ("GET /api/jobs/", 404, "no route")], "Jobs API: ", "answered: no route; let the proxy pass"),
        ([VERSION, ("GET /api/jobs/", 500, "No agent")], "Jobs API: ", "answered HTTP 500: No agent"),
    ],
)
def test_the_part_at_fault_is_named_in_one_sentence(gateway, answers, begins, says):
    good, sentence = asked(gateway.url, *answers, gateway=gateway)
    assert not good
    assert sentence.startswith(begins)
    assert says in sentence
    assert sentence[-1] in ".?" and ". " not in sentence and ".;" not in sentence
    assert "airflow_x7" not in sentence


def test_an_address_at_which_nothing_listens():
    (port,) = free_ports(1)
    assert asked(f"http://127.0.0.1:{port}") == (
        False,
        f"Address: Cannot reach Ray at http://127.0.0.1:{port}: Connection refused.",
    )


def test_a_name_that_nobody_knows():
    good, sentence = asked("http://nowhere.invalid:8265")
    assert not good
    assert sentence.startswith(
        "Address: Cannot reach Ray at http://nowhere.invalid:8265: its host name cannot be resolved"
    )


@pytest.mark.parametrize(("scheme", "says"), [("http", "cannot be reached"), ("https", "refuses (HTTP 404)")])
def test_a_proxy_of_the_environment(gateway, monkeypatch, scheme, says):
    (closed,) = free_ports(1)
    for name in ("NO_PROXY", "no_proxy", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed}")
    monkeypatch.setenv("HTTPS_PROXY", gateway.url)
    good, sentence = asked(f"{scheme}://ray.invalid")
    assert not good
    assert sentence.startswith("Proxy: Cannot reach Ray at ") and says in sentence
    assert sentence.endswith("; check HTTP_PROXY and HTTPS_PROXY, or add the host to NO_PROXY.")


def test_a_cluster_on_this_machine_is_reached_without_the_proxy_of_the_environment(gateway, monkeypatch):
    (closed,) = free_ports(1)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed}")
    assert asked(gateway.url, VERSION, NO_JOB, gateway=gateway)[0]


def test_a_certificate_that_is_not_trusted(encrypted, certificate, tmp_path):
    good, sentence = asked(encrypted.url)
    assert not good
    assert sentence.startswith("TLS: ") and "not trusted (self-signed certificate); set ca_file" in sentence
    good, sentence = asked(encrypted.url, ca_file=str(tmp_path / "none.pem"))
    assert sentence.startswith("TLS: Cannot read the CA file ")
    assert asked(encrypted.url, VERSION, NO_JOB, gateway=encrypted, ca_file=str(certificate))[0]


def test_tls_on_a_port_that_speaks_none(gateway):
    good, sentence = asked(gateway.url.replace("http://", "https://"))
    assert not good
    assert sentence.startswith("TLS: ")
