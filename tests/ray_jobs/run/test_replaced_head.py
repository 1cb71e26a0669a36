"""Runs over a head that is replaced, whose tables are in Redis, and runs that their cluster leaves alone.

Their nodes are on machines of their own: Ray lets a driver join the head's node if it finds that on its machine.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

import clusters
from embedded import machines, processes, redis
from embedded.machines import Network
from embedded.milvus_lite import MilvusLite
from embedded.object_store import ObjectStore
from embedded.processes import poll
from embedded.ray_head import RayHead
from embedded.ray_node import RayNode
from ray_head_client import RayHeadClient, attempt, place_attempt, watched
from ray_jobs_api.client import RayJobsClient
from ray_jobs_api.job_outcome import JobOutcome
from ray_jobs_api.job_request import command_line, job_request
from ray_jobs_api.packages import pack
from ray_jobs_api.settings import ClusterSettings

__all__ = ["attempt"]

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not redis.installed(), reason="no Redis here (Debian's package redis-server)"),
]
JOBS = Path(__file__).parents[3] / "ray_jobs"
SCRIPT = "ingest_pdfs.py"
PAPERS, PAGES = 200, 4
TEXT = "Silt, sand and gravel of the river are measured at each of its bridges, every spring and every autumn. " * 8


@dataclass
class Cluster:
    """A head without CPUs, and a node with two and the resource `driver`, each on a machine of its own."""

    head: RayHead
    node: RayNode
    store: ObjectStore
    milvus: MilvusLite
    model: str
    jobs: RayHeadClient

    def papers(self, bucket: str, count: int) -> str:
        """A bucket with so many documents."""
        source = self.store.bucket(bucket)
        for number in range(count):
            body = pdf(f"{bucket} {number}")
            self.store.client().put_object(Bucket=bucket, Key=f"{number:03}.pdf", Body=body)
        return source

    def request(self, source: str, **options: Any) -> dict[str, Any]:
        """The request for a run over a source."""
        flags = {"--source": source, "--milvus-uri": self.milvus.uri, "--embedding-model": self.model}
        words = [word for pair in flags.items() for word in pair]
        entrypoint = command_line(["python", SCRIPT, *words, "--collection", "replaced_"])
        runtime_env = {"working_dir": pack(JOBS).uri}
        return {**job_request(entrypoint=entrypoint, runtime_env=runtime_env, metadata={}), **options}

    def rows(self, source: str) -> int:
        """The number of rows of a source."""
        from pymilvus import MilvusClient

        client = MilvusClient(self.milvus.uri)
        try:
            client.load_collection("replaced_documents")
            found = client.query("replaced_documents", f'source like "{source}%"', output_fields=["count(*)"])
            return int(found[0]["count(*)"])
        finally:
            client.close()

    def log(self, submission_id: str) -> str:
        """What a driver has printed."""
        (found,) = self.head.temp_dir.glob(f"session_2*/logs/job-driver-{submission_id}.log")
        return found.read_text()


ON_NODE = {"entrypoint_resources": {"driver": 1}}


@pytest.fixture
def cluster(tmp_path: Path, minilm_path: str) -> Iterator[Cluster]:
    if not machines.can_be_made():
        pytest.skip("this user can make no namespaces, in which this machine looks like several")
    with (
        Network(tmp_path / "network") as network,
        MilvusLite(tmp_path / "milvus", network.address) as milvus,
        ObjectStore(tmp_path / "s3", host=network.address) as store,
        redis.Redis(tmp_path / "redis", network.address) as tables,
    ):
        environment = {**store.environment(), **tables.head_environment()}
        with (
            RayHead(tmp_path / "ray", environment, num_cpus=0, machine=network.machine("head")) as head,
            RayNode(tmp_path / "node", head, 2, resources={"driver": 1}, machine=network.machine("node")) as node,
        ):
            jobs = RayHeadClient(ClusterSettings(head.dashboard_url, "test"))
            yield Cluster(head, node, store, milvus, minilm_path, jobs)


def pdf(name: str) -> bytes:
    import pymupdf

    with pymupdf.open() as document:
        for page in range(PAGES):
            text = f"{name}: page {page} says {page * 7919 % 1000}. {TEXT}"
            document.new_page().insert_textbox((72, 72, 500, 700), text)
        return bytes(document.tobytes())


def writes(lines: Iterable[str]) -> bool:
    """Whether a run has said that it has written something."""
    return any(line.endswith(" rows") and not line.endswith(" 0 rows") for line in lines)


async def until_it_writes(lines: Sequence[str], watch: "asyncio.Task[Any]") -> None:
    """Wait until a run has said that it has written something."""
    while not writes(lines):
        assert not watch.done(), watch.result()
        await asyncio.sleep(0.2)


def drivers() -> list[psutil.Process]:
    """The processes of the drivers of runs on any machine."""
    return [each for each in psutil.process_iter() if SCRIPT in processes.command_line(each)]


def test_a_run_goes_on_while_the_head_is_replaced(cluster, attempt):
    """With what Ray Data shares between jobs: it is on the node of the first driver, that of the head."""
    first, source = cluster.papers("first", 2), cluster.papers("papers", PAPERS)
    requests = [cluster.request(first), cluster.request(source, **ON_NODE)]

    async def story(client: RayJobsClient) -> tuple[JobOutcome, list[str]]:
        earlier = replace(attempt, task_id="first")
        placed = await place_attempt(client, earlier, requests[0], packages=[pack(JOBS)])
        outcome, said = await watched(client, placed.submission_id)
        assert outcome.status == "SUCCEEDED", said
        placed = await place_attempt(client, attempt, requests[1])
        lines: list[str] = []
        watch = asyncio.create_task(watched(client, placed.submission_id, emit=lines.append))
        await until_it_writes(lines, watch)
        await asyncio.to_thread(cluster.head.kill)
        await asyncio.to_thread(cluster.head.start)
        outcome, _ = await watch
        return outcome, lines

    outcome, lines = cluster.jobs.ask(story)
    assert (outcome.status, outcome.api_error) == ("SUCCEEDED", None), (outcome, lines)
    assert any("the head of the Ray cluster answers again" in line for line in lines), lines
    assert outcome.report is not None
    counts = [outcome.report[name] for name in ("added", "failed", "rows_written")]
    assert counts == [PAPERS, 0, cluster.rows(source)]
    assert counts[2] >= PAPERS * PAGES


def test_a_run_ends_when_the_head_stays_away_and_the_next_one_does_the_rest(cluster, attempt):
    source = cluster.papers("papers", PAPERS)
    request = cluster.request(source, **ON_NODE)

    async def story(client: RayJobsClient) -> tuple[str, JobOutcome, JobOutcome]:
        placed = await place_attempt(client, attempt, request, packages=[pack(JOBS)])
        lines: list[str] = []
        watch = asyncio.create_task(watched(client, placed.submission_id, emit=lines.append))
        await until_it_writes(lines, watch)
        await asyncio.to_thread(cluster.head.kill)
        await asyncio.to_thread(poll, lambda: not drivers(), 90, "the driver has ended")
        said = cluster.log(placed.submission_id)
        await asyncio.to_thread(cluster.node.kill)
        await asyncio.to_thread(cluster.head.start)
        await asyncio.to_thread(cluster.node.start)
        ended, _ = await watch
        retry = await place_attempt(client, replace(attempt, try_number=2), request, packages=[pack(JOBS)])
        assert not retry.attached
        outcome, _ = await watched(client, retry.submission_id)
        return said, ended, outcome

    said, ended, outcome = cluster.jobs.ask(story)
    assert "ERROR: the head of the Ray cluster has not answered for " in said
    assert ended.status == "FAILED"
    assert outcome.status == "SUCCEEDED", outcome
    assert outcome.report is not None
    counts = [outcome.report[name] for name in ("added", "changed", "unchanged", "failed")]
    assert (sum(counts), counts[3]) == (PAPERS, 0)
    assert cluster.rows(source) == PAPERS * PAGES * (cluster.rows(f"{source}/000.pdf") // PAGES)


def test_a_run_by_hand_ends_with_the_node_of_its_driver(tmp_path, milvus):
    """On one machine, its driver is on the head's node. Before, it waited for ever, and kept its lease.

    All of its blocks are in the object store by then: at a further one, Ray itself would end the driver without a word.
    """
    notes = clusters.environment(tmp_path / "notes")
    with (
        redis.Redis(tmp_path / "redis") as tables,
        RayHead(tmp_path / "ray", {**notes, **tables.head_environment()}, num_cpus=0) as head,
        RayNode(tmp_path / "node", head, 2),
        clusters.begun_runs(milvus, tmp_path) as begin,
    ):
        run = begin(head, 100, parse=0.05, model=1.0)
        poll(lambda: writes(line for _, line in run.lines), 120, "the run writes")
        head.kill()
        head.start()
        assert run.process.wait(120) == 4, run.output
        poll(lambda: run.says("ERROR: the Ray cluster has lost the node on which this run began"), 10, run.output)
