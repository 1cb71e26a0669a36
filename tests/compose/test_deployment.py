"""docker-compose.yaml, run: up by README's lines, files through Airflow, search, two workers, crashes, down and up.

The tests run in their order on one stack. Without an engine they are skipped, with one that runs they take the real
images, and else an engine of their own with stand-ins (`compose.images`):

    uv run pytest -n 0 -s -m docker
"""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from compose.stack import SCRIPTS, Stack
from embedded.exhibits import batches, make_files, questions
from embedded.models import demo_models
from embedded.processes import poll

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
BUCKET = "ingest"
RUN_SECONDS = 900.0
SERVICES = (
    *("airflow-api-server", "airflow-dag-processor", "airflow-scheduler", "airflow-triggerer"),
    *("milvus", "milvus-etcd", "milvus-minio", "postgres", "ray-head", "ray-worker", "s3"),
)
PDFS, PAGES = 60, 8
"""Of a run under which something crashes: long enough that it is under way."""
COMPLAINT = re.compile(r"\b(ERROR|CRITICAL|FATAL|Traceback|panic|[Pp]ermission denied|No space left)\b")


def test_readme_brings_it_up(stack: Stack) -> None:
    files = make_files()
    for words in stack.readme_lines():
        stack.follow_readme(words)
        if "up" in words:
            _prepare(stack, files)
    for service in SERVICES:
        stack.wait_healthy(service)


def _prepare(stack: Stack, files: dict[str, bytes]) -> None:
    """What a site has before it unpauses its Dags: models, files, and with the stand-in for Milvus its password."""
    stack.keep_models(demo_models())
    stack.wait_milvus()
    client = stack.store.client()
    for batch in batches(YESTERDAY):
        for name in batch.files:
            client.put_object(Bucket=BUCKET, Key=batch.prefix + name, Body=files[name])


@pytest.mark.parametrize("pipeline", ["pdfs", "images", "videos"])
def test_the_schedule_ingests_yesterday(stack: Stack, pipeline: str) -> None:
    dag = f"ingest_{pipeline}"
    stack.airflow.wait_dag(dag)
    stack.compose("exec", "-T", "airflow-scheduler", "airflow", "dags", "unpause", dag)
    run = poll(lambda: stack.airflow.runs(dag, "scheduled"), 120, f"{dag} is not scheduled", interval=1)[0]
    report = _report(stack, dag, run["dag_run_id"])
    # It takes the days before as well.
    files = {batch.prefix + name for batch in batches(YESTERDAY) if batch.pipeline == pipeline for name in batch.files}
    assert (report["added"], report["failed"]) == (len(files), 0)


def test_the_search_in_a_worker_answers(stack: Stack) -> None:
    asked = questions()
    out = stack.search("--json", *(each.text for each in asked))
    for question, line in zip(asked, out.splitlines(), strict=True):
        answer = json.loads(line)
        hit = answer["hits" if question.kind == "pages" else question.kind][0]
        assert question.is_answered_by(hit), (question, hit)


def test_two_workers_share_a_run(stack: Stack) -> None:
    stack.up("--scale", "ray-worker=2")
    poll(lambda: len(_workers(stack)) == 2, 300, "the second worker does not join", interval=1)
    stack.wait_healthy("ray-worker")
    _ingest(stack, "two-workers")


def test_a_folder_that_the_workers_do_not_see_is_refused(stack: Stack) -> None:
    """The containers share no disk but the volume of models."""
    make = "import pymupdf; d = pymupdf.open(); d.new_page().insert_text((72, 72), 'words'); d.save"
    flags = ["--embedding-model", "/models/embedding", "--milvus-uri", "http://milvus:19530", "--collection", "folder_"]
    said = []
    for folder in ("/tmp/papers", "/models/papers"):
        stack.compose("exec", "-T", "ray-head", "mkdir", "-p", folder)
        stack.compose("exec", "-T", "ray-head", "python", "-c", f"{make}('{folder}/a.pdf')")
        script = f"python {SCRIPTS}/ingest_pdfs.py --source {folder} {' '.join(flags)} 2>&1; echo $?"
        run = ["exec", "-T", "--env", "RAY_ADDRESS=ray-head:6379", "ray-head", "sh", "-c", script]
        said.append(stack.compose(*run, timeout=600))
    assert "--source 'file:///tmp/papers/': not every node of the cluster sees these files" in said[0]
    assert [each.splitlines()[-1] for each in said] == ["2", "0"]


def _workers(stack: Stack) -> list[dict[str, Any]]:
    nodes = stack.ray("/api/v0/nodes?detail=True")["data"]["result"]["result"]
    return [node for node in nodes if node["state"] == "ALIVE" and not node["is_head_node"]]


@pytest.mark.parametrize("service", SERVICES)
def test_a_run_outlives_a_crash_of(stack: Stack, service: str) -> None:
    name = f"crash-{service}"
    run_id = _begin(stack, name)
    stack.crash(service)
    stack.wait_healthy(service)
    _ended(stack, name, run_id)


def _ingest(stack: Stack, name: str) -> None:
    _ended(stack, name, _begin(stack, name))


def _begin(stack: Stack, name: str) -> str:
    """Put PDFs of their own below the name, start a run over them, and wait until its job runs."""
    client = stack.store.client()
    for number in range(PDFS):
        client.put_object(Bucket=BUCKET, Key=f"{name}/{number:03}.pdf", Body=_pdf(f"{name} {number}"))
    before = {job["submission_id"] for job in stack.ray("/api/jobs/")}
    run = stack.airflow.trigger("ingest_pdfs", {"source": f"s3://{BUCKET}/{name}/"})

    def runs() -> bool:
        return any(job["status"] == "RUNNING" and job["submission_id"] not in before for job in stack.ray("/api/jobs/"))

    poll(runs, 180, f"no job runs for {name}", interval=0.5)
    return str(run["dag_run_id"])


def _pdf(text: str) -> bytes:
    import pymupdf

    with pymupdf.open() as document:
        for page in range(PAGES):
            document.new_page().insert_text((72, 72), f"{text}: page {page} says {page * 7919 % 1000}")
        return bytes(document.tobytes())


def _ended(stack: Stack, name: str, run_id: str) -> None:
    report = _report(stack, "ingest_pdfs", run_id)
    assert report["failed"] == 0
    source = f"s3://{BUCKET}/{name}/"
    assert (stack.count("documents", source), stack.count("sources", source)) == (PDFS * PAGES, PDFS)


def _report(stack: Stack, dag: str, run_id: str) -> dict[str, Any]:
    ended = stack.airflow.wait_run(dag, run_id, RUN_SECONDS)
    if ended["state"] != "success":
        tries = stack.airflow.task_instances(dag, run_id)[0]["try_number"]
        lines = [
            line for number in range(1, tries + 1) for line in stack.airflow.task_log(dag, run_id, "ingest", number)
        ]
        raise AssertionError("\n".join([f"{dag} {run_id}: {ended['state']}", *lines[-40:]]))
    report: dict[str, Any] = stack.airflow.xcom(dag, run_id, "ingest")
    return report


def test_down_and_up_again_keeps_everything(stack: Stack) -> None:
    stack.compose("down")
    stack.up()
    for service in SERVICES:
        stack.wait_healthy(service)
    run = stack.airflow.trigger("ingest_pdfs", {"source": f"s3://{BUCKET}/two-workers/"})
    report = _report(stack, "ingest_pdfs", run["dag_run_id"])
    assert (report["unchanged"], report["added"]) == (PDFS, 0)
    (line,) = stack.search("--json", "--in", "pages", "two-workers 7: page 3").splitlines()
    assert json.loads(line)["hits"][0]["source"] == f"s3://{BUCKET}/two-workers/007.pdf"


def test_a_calm_stack_complains_of_nothing(stack: Stack) -> None:
    began = datetime.now(UTC)
    poll(lambda: datetime.now(UTC) - began > timedelta(seconds=60), 90, "a minute", interval=5)
    complaints = [line for line in stack.logs(since=began).splitlines() if COMPLAINT.search(line)]
    assert complaints == []
