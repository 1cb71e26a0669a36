"""A real Ray head behind a gateway that breaks, refuses, encrypts or asks for headers, as networks do."""

import asyncio
import ssl
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from embedded.certificates import self_signed
from embedded.gateway import Gateway
from ray_head_client import JOBS, behaving, place_attempt, watched
from ray_jobs_api.client import RayJobsClient
from ray_jobs_api.cluster_throttle import ClusterThrottle
from ray_jobs_api.failures import FailureReason, RayApiError
from ray_jobs_api.packages import pack
from ray_jobs_api.watch import JobLimits


@pytest.fixture
def gateway(ray_head: Any):
    with Gateway(ray_head.dashboard_url) as gateway:
        yield gateway


@pytest.mark.parametrize("orderly", [True, pytest.param(False, marks=pytest.mark.nightly)])
def test_a_log_stream_that_ends_in_the_middle_loses_and_doubles_no_line(cluster, gateway, attempt, tmp_path, orderly):
    lines: list[str] = []
    cuts: list[int] = []

    def emit(line: str) -> None:
        if line.startswith("line"):
            lines.append(line)
            # One message may hold many lines: the next cut waits for a stream that is open again.
            if len(cuts) < 3 and len(lines) > 5 * len(cuts) and gateway.cut_logs(orderly=orderly):
                cuts.append(len(lines))
            elif len(cuts) == 3 and len(lines) > cuts[-1] + 5:
                (tmp_path / "end").touch()

    async def story(client: RayJobsClient) -> Any:
        await place_attempt(client, attempt, behaving("until", tmp_path / "end", 0.05), packages=[pack(JOBS)])
        return await watched(client, attempt.submission_id, emit=emit)

    outcome, _ = cluster.at(gateway.url).ask(story)
    assert outcome.status == "SUCCEEDED"
    assert lines == [f"line {number} of the job" for number in range(outcome.report["listed"])]
    assert gateway.count("/logs/tail") >= 4


@pytest.mark.nightly
def test_a_watcher_that_may_not_stream_fetches_the_log(cluster, gateway, attempt, tmp_path):
    lines: list[str] = []

    def emit(line: str) -> None:
        lines.append(line)
        if "line 5 of the job" in lines:
            (tmp_path / "end").touch()

    async def story(client: RayJobsClient) -> Any:
        await place_attempt(client, attempt, behaving("until", tmp_path / "end"), packages=[pack(JOBS)])
        with ClusterThrottle(log_streams=0).watcher("here") as quota:
            return await watched(client, attempt.submission_id, emit=emit, quota=quota)

    outcome, _ = cluster.at(gateway.url).ask(story)
    assert outcome.log_complete
    numbered = [line for line in lines if line.startswith("line ")]
    assert numbered == [f"line {number} of the job" for number in range(outcome.report["listed"])]
    assert gateway.count("/logs/tail") == 0
    assert gateway.count("/logs$") > 1


@pytest.mark.nightly
def test_a_head_that_answers_503_for_a_while_is_asked_again(cluster, gateway, attempt):
    with gateway.answers("(GET|POST) /api/jobs", 503, "the dashboard restarts", times=3):
        outcome, _ = cluster.at(gateway.url).run_job(attempt, "ok", 3, stream_logs=False)
    assert outcome.status == "SUCCEEDED"


@pytest.mark.nightly
def test_a_head_that_stays_away_is_given_up_with_its_last_words(cluster, gateway, attempt):
    async def story(client: RayJobsClient) -> Any:
        await place_attempt(client, attempt, behaving("ok"), packages=[pack(JOBS)])
        with gateway.answers("GET /api/jobs", 503, "the dashboard restarts"):
            return await watched(
                client, attempt.submission_id, limits=JobLimits(unreachable_timeout=1), stream_logs=False
            )

    outcome, _ = cluster.at(gateway.url).ask(story)
    assert outcome.api_reason == FailureReason.UNREACHABLE
    assert "answered HTTP 503: the dashboard restarts" in outcome.api_error


def test_a_lost_answer_to_the_submit_does_not_double_the_job(cluster, gateway, attempt):
    async def story(client: RayJobsClient) -> Any:
        with gateway.hold("POST /api/jobs/$", "answer") as held:
            submit = asyncio.create_task(place_attempt(client, attempt, behaving("ok"), packages=[pack(JOBS)]))
            await asyncio.to_thread(held.reached.wait)
            submit.cancel()
        again = await place_attempt(client, attempt, behaving("ok"))
        outcome, _ = await watched(client, attempt.submission_id)
        return again, outcome

    again, outcome = cluster.at(gateway.url).ask(story)
    assert (again.attached, outcome.status) == (True, "SUCCEEDED")


def test_a_package_that_the_dashboard_refuses(cluster, gateway):
    # A real head's words for 101 MiB, from aiohttp's HTTPRequestEntityTooLarge.
    text = "Maximum request body size 104857600 exceeded, actual body size 105906176"
    with gateway.answers("PUT /api/packages", 413, text), pytest.raises(RayApiError) as caught:
        cluster.at(gateway.url).ask(lambda client: client.upload_package("_ray_pkg_x.zip", b"zip"))
    assert caught.value.reason is FailureReason.REJECTED
    assert "(HTTP 413): Maximum request body size" in str(caught.value)


@pytest.mark.nightly
def test_headers_of_the_connection_go_with_each_request(cluster, gateway, attempt):
    outcome, _ = cluster.at(gateway.url, headers={"X-Team": "search"}).run_job(attempt, "ok")
    assert outcome.status == "SUCCEEDED"
    assert {headers.get("X-Team") for headers in gateway.headers} == {"search"}
    assert gateway.count("/logs/tail") == 1


@pytest.mark.nightly
def test_a_proxy_of_the_environment_is_used(cluster, gateway, attempt, monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", gateway.url)
    outcome, _ = cluster.at("http://ray.invalid:8265").run_job(attempt, "ok", 3)
    assert (outcome.status, outcome.log_complete) == ("SUCCEEDED", True)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls") / "gateway.pem")


@pytest.mark.nightly
def test_https_is_verified_unless_told_otherwise(cluster, ray_head, certificate, attempt):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with Gateway(ray_head.dashboard_url, context) as gateway:
        assert gateway.url.startswith("https://")
        with pytest.raises(RayApiError, match=r"not trusted \(self-signed certificate\); set ca_file") as caught:
            cluster.at(gateway.url).ask(lambda client: client.version(), retry_delay=0.01)
        assert not caught.value.transient
        outcome, _ = cluster.at(gateway.url, ca_file=str(certificate)).run_job(attempt, "ok", 3)
        assert (outcome.status, outcome.log_complete) == ("SUCCEEDED", True)
        assert "ray_version" in cluster.at(gateway.url, verify=False).ask(lambda client: client.version())


def test_a_page_of_a_proxy_is_no_answer_of_ray(cluster, gateway):
    with (
        gateway.answers("GET /api/version", 200, "<html>Please sign in</html>"),
        pytest.raises(RayApiError, match="does not answer like Ray's Jobs API") as caught,
    ):
        cluster.at(gateway.url).ask(lambda client: client.version())
    assert caught.value.transient


def test_another_server_is_no_ray_dashboard_and_no_lost_cluster(cluster, gateway, attempt):
    with (
        gateway.answers("GET /api/", 404, "Not Found"),
        pytest.raises(RayApiError, match="is not a Ray dashboard") as caught,
    ):
        cluster.at(gateway.url).ask(lambda client: place_attempt(client, attempt, behaving("ok")))
    assert (caught.value.reason, caught.value.transient) == (FailureReason.UNREACHABLE, True)


def test_a_proxy_that_loses_its_backend_for_a_moment_is_no_lost_cluster(cluster, gateway, attempt):
    async def story(client: RayJobsClient) -> Any:
        await place_attempt(client, attempt, behaving("ok"), packages=[pack(JOBS)])
        with (
            gateway.answers("GET /api/version", 404, "no backend", times=2),
            gateway.answers("GET /api/jobs/", 404, "no backend", times=2),
        ):
            return await watched(client, attempt.submission_id, stream_logs=False)

    outcome, _ = cluster.at(gateway.url).ask(story)
    assert outcome.status == "SUCCEEDED"


def test_a_port_that_speaks_something_else(cluster):
    async def story() -> str:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"\x00\x00\x18\x04\x00\x00\x00\x00")
            writer.close()

        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            url = "http://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
            async with RayJobsClient(replace(cluster.settings, base_url=url), attempts=1) as client:
                with pytest.raises(RayApiError) as caught:
                    await client.version()
        return str(caught.value)

    sentence = asyncio.run(story())
    assert sentence.endswith("its answer is not HTTP/1.1, so the port may not be the dashboard's.")


def test_redirects_are_not_followed_since_headers_are_secrets(cluster, gateway):
    with (
        gateway.answers("GET /api/", 302, location="http://elsewhere.invalid/"),
        pytest.raises(RayApiError, match=r"redirects \(HTTP 302\): put the final address into the connection"),
    ):
        cluster.at(gateway.url, headers={"X-Api-Key": "secret"}).ask(lambda client: client.version())


def test_a_limit_that_passes_while_ray_is_away_does_not_double_the_job(cluster, gateway, attempt):
    second = replace(attempt, try_number=2)

    async def story(client: RayJobsClient) -> Any:
        await place_attempt(client, attempt, behaving("sleep", 120), packages=[pack(JOBS)])
        with gateway.answers("(GET|POST) /api/jobs/.", 503, "away"):
            outcome, _ = await watched(
                client, attempt.submission_id, limits=JobLimits(deadline=time.time() + 1), stream_logs=False
            )
        # As the operator does with a job that was given up.
        placed = await place_attempt(client, second, behaving("ok"), superseded=attempt.submission_id, adopt=False)
        return outcome, placed, await client.job(attempt.submission_id)

    outcome, placed, first = cluster.at(gateway.url).ask(story, retry_delay=0.05)
    assert (outcome.limit, outcome.api_reason) == ("deadline", FailureReason.UNREACHABLE)
    assert placed.submission_id == second.submission_id
    assert first.status == "STOPPED"
