"""The whole path on one machine: files in an object store, Airflow, Ray jobs, Milvus, and questions answered.

    uv run python tests/demo.py [--keep] [--hub]

Everything listens on loopback, on free ports, in one temporary folder, and ends with this program.
"""

import argparse
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from embedded.exhibits import DAYS, Question, describe, make_objects, questions
from embedded.platform import Platform
from embedded.processes import Part, StartError, base_environment, poll
from embedded.progress import Progress

REPOSITORY = Path(__file__).resolve().parent.parent
BUCKET = "library"
PIPELINES = ("pdfs", "images", "videos")
TASK = "ingest"
HUB_MODELS = {"embedding": "BAAI/bge-small-en-v1.5", "clip": "ViT-B-32", "whisper": "tiny"}
RUN_TIMEOUT = 240.0
TABLE = ("listed", "added", "changed", "unchanged", "deleted", "failed", "rows_written", "seconds")


class DemoError(RuntimeError):
    """The demo did not do what it is there to show."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="stay up until Ctrl-C, to look around in the two UIs")
    parser.add_argument("--hub", action="store_true", help=f"take {', '.join(HUB_MODELS.values())} from the model hub")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs are told to ignore the first
        signal.signal(number, interrupt)
    # Short, because unix sockets of Ray live below it.
    folder = Path(tempfile.mkdtemp(prefix="ingest-", dir="/tmp"))
    with Progress() as progress:
        progress.say("demo", f"logs and data are in {folder}")
        code, platform = 1, None
        try:
            models = HUB_MODELS if options.hub else packaged_models(progress)
            platform = make_platform(folder, models, options.hub, progress)
            run(platform, models, options.hub, progress)
            code = 0
            if options.keep:
                progress.show("\nEverything stays up until Ctrl-C.")
                progress.wait_for()
                signal.pause()
        except KeyboardInterrupt:
            code = 0 if code == 0 else 130
            progress.say("demo", "interrupted" if code else "told to end")
        except (DemoError, OSError, StartError, subprocess.TimeoutExpired) as error:
            progress.say("demo", f"FAILED: {error}")
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave the ending half done
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            end(platform, folder, code, progress)
    return code


def interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def end(platform: Platform | None, folder: Path, code: int, progress: Progress) -> None:
    progress.wait_for("the parts to end")
    if platform is not None:
        platform.stop()
    if code == 1:
        progress.say("demo", f"ended; the logs are kept in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
        progress.say("demo", "ended; no process and no file is left")


def packaged_models(progress: Progress) -> dict[str, str]:
    """Paths of small real models, by role; the one for images is a stand-in, which is built once."""
    progress.wait_for("the models (the stand-in for CLIP is built on the first run, which takes most of a minute)")
    command = [sys.executable, "-m", "embedded.models"]
    environment = {**base_environment(), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY / "tests", env=environment)
    if done.returncode != 0:
        raise DemoError(f"the models could not be made\n{done.stderr[-2000:]}")
    models: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    progress.say("models", "all-MiniLM-L6-v2, Whisper tiny.en, and for images a stand-in, which is not CLIP")
    return models


def make_platform(folder: Path, models: dict[str, str], hub: bool, progress: Progress) -> Platform:
    waiting: list[str] = []

    def report(part: Part, event: str) -> None:
        progress.say(part.name, event)
        if event.startswith("is starting"):
            waiting.append(part.name)
        else:
            waiting.remove(part.name)
        progress.wait_for(*waiting)

    return Platform(
        folder,
        REPOSITORY / "dags",
        REPOSITORY / "plugins",
        BUCKET,
        models,
        report,
        environment={"HF_HUB_OFFLINE": "0"} if hub else {},
    )


def run(platform: Platform, models: dict[str, str], hub: bool, progress: Progress) -> None:
    platform.start(then=lambda: put_objects(platform, progress))
    show_addresses(platform, progress)
    progress.wait_for("Airflow to read the Dags")
    for pipeline in PIPELINES:
        platform.airflow.wait_dag(f"ingest_{pipeline}")
        unpause(platform, pipeline, progress)
    reports = [run_by_hand(platform, pipeline, DAYS[0], progress) for pipeline in PIPELINES]
    reports.insert(1, run_by_backfill(platform, "pdfs", DAYS[1], progress))
    show_reports(reports, progress)
    progress.wait_for("Milvus")
    show_rows(platform.milvus.uri, progress)
    ask(platform.milvus.uri, models, hub, progress)
    show_addresses(platform, progress)
    progress.say("demo", f"done in {progress.seconds:.0f} s")


def put_objects(platform: Platform, progress: Progress) -> None:
    client = platform.object_store.client()
    for prefix, files in make_objects():
        for name, data in files.items():
            client.put_object(Bucket=BUCKET, Key=prefix + name, Body=data)
        progress.say("object-store", f"{len(files)} files are in s3://{BUCKET}/{prefix}")


def unpause(platform: Platform, pipeline: str, progress: Progress) -> None:
    """Let the Dag run. Its schedule starts a run for yesterday at once, which has no prefix here: it is marked failed.

    Not deleted: Airflow's scheduler ends with ObjectDeletedError where a run goes that it is just looking at.
    """
    airflow, dag = platform.airflow, f"ingest_{pipeline}"
    airflow.unpause(dag)
    progress.say("airflow", f"Dag {dag} is un-paused")
    progress.wait_for("the scheduler")
    runs: list[dict[str, Any]] = poll(lambda: airflow.runs(dag, "scheduled"), 60, "no scheduled run", 0.2)
    for run in runs:
        airflow.api("PATCH", f"/dags/{dag}/dagRuns/{run['dag_run_id']}", {"state": "failed"})


def run_by_hand(platform: Platform, pipeline: str, day: str, progress: Progress) -> dict[str, Any]:
    source = f"s3://{BUCKET}/{pipeline}/{day}/"
    run = platform.airflow.trigger(f"ingest_{pipeline}", {"source": source})
    progress.say("airflow", f"manual trigger with source={source}")
    return follow(platform, pipeline, run["dag_run_id"], "manual", day, progress)


def run_by_backfill(platform: Platform, pipeline: str, day: str, progress: Progress) -> dict[str, Any]:
    airflow, dag = platform.airflow, f"ingest_{pipeline}"
    backfill = airflow.backfill(dag, day, day)
    progress.say("airflow", f"backfill {backfill['id']} of {day}")

    def first() -> dict[str, Any] | None:
        return next((run for run in airflow.runs(dag, "backfill") if run["partition_key"] == day), None)

    run = poll(first, 60, f"no backfill run of {day}", 0.5)
    return follow(platform, pipeline, run["dag_run_id"], "backfill", day, progress)


def follow(platform: Platform, pipeline: str, run_id: str, how: str, day: str, progress: Progress) -> dict[str, Any]:
    """Show a run's states and the lines of its task's log until it ends; returns the task's report."""
    airflow, dag = platform.airflow, f"ingest_{pipeline}"
    shown_state, shown_lines = "", Counter[str]()  # counted, because the log of the triggerer is merged in by time

    def final() -> str | None:
        nonlocal shown_state
        run = airflow.run(dag, run_id)
        (task,) = airflow.task_instances(dag, run_id)
        state = f"run {run['state']}, task {task['state'] or 'not scheduled yet'}"
        lines = airflow.task_log(dag, run_id, TASK, max(task["try_number"], 1), "airflow_ray")
        for line in (Counter(lines) - shown_lines).elements():
            if interesting(line):
                progress.say(pipeline, f"  | {line[:150]}")
        shown_lines.update(Counter(lines) - shown_lines)
        if state != shown_state:
            shown_state = state
            progress.say(pipeline, f"{how} {state}")
            progress.wait_for(f"the run of {pipeline} of {day} ({state})")
        return run["state"] if run["state"] in ("success", "failed") else None

    if poll(final, RUN_TIMEOUT, f"run {run_id} has no final state", 1.0) != "success":
        log = "\n".join(airflow.task_log(dag, run_id, TASK)[-30:])
        raise DemoError(f"the run of {pipeline} of {day} failed\n{log}")
    report = airflow.xcom(dag, run_id, TASK)
    if not report:
        raise DemoError(f"the run of {pipeline} of {day} left no report")
    return {**report, "day": day, "run": how}


def interesting(line: str) -> bool:
    """Whether the operator or the job itself said it: not Ray's own log, and not the report, which comes as a table."""
    return re.match(r"\s*$|\[?\d{4}-\d\d-\d\d |REPORT ", line) is None


def show_reports(reports: list[dict[str, Any]], progress: Progress) -> None:
    columns = ("pipeline", "day", "run", *TABLE)
    rows = [[cell(report.get(column)) for column in columns] for report in reports]
    widths = [max(len(text) for text in texts) for texts in zip(columns, *rows, strict=True)]
    progress.show("\nThe reports of the jobs:")
    for row in (columns, *rows):
        progress.show("  " + "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)))


def cell(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def show_rows(milvus_uri: str, progress: Progress) -> None:
    from pymilvus import MilvusClient

    client = MilvusClient(milvus_uri)
    progress.show("\nRows in Milvus:")
    for collection in sorted(client.list_collections()):
        rows = client.query(collection, filter="", output_fields=["count(*)"], consistency_level="Strong")
        (name,) = client.list_aliases(collection)["aliases"] or [collection]
        progress.show(f"  {name:<14} {rows[0]['count(*)']:>6}")
    client.close()


def ask(milvus_uri: str, models: dict[str, str], hub: bool, progress: Progress) -> None:
    """Print the best hit of each question. Raises DemoError when it is not what answers."""
    progress.wait_for("the answers (the search loads the models)")
    asked = questions()
    wrong = 0
    for question, answer in zip(asked, search(milvus_uri, models, hub, asked), strict=True):
        hit = answer["hits" if question.kind == "pages" else question.kind][0]
        wrong += not question.is_answered_by(hit)
        progress.show(f"\nQ: {question.text}   (in {question.kind})\nA: {describe(hit)}")
        if "text" in hit:
            progress.show(f"   {snippet(hit['text'])}")
    progress.show()
    if wrong:
        raise DemoError(f"{wrong} of {len(asked)} questions were answered by something else")


def search(milvus_uri: str, models: dict[str, str], hub: bool, questions: Sequence[Question]) -> list[dict[str, Any]]:
    """What `ray_jobs/search.py` answers: for each question an object with a list of hits per kind, best first."""
    command = [sys.executable, str(REPOSITORY / "ray_jobs" / "search.py"), "--milvus-uri", milvus_uri, "--json"]
    command += ["--embedding-model", models["embedding"], "--clip-model", models["clip"]]
    environment = {**base_environment(), "HF_HUB_OFFLINE": "0" if hub else "1"}
    texts = [question.text for question in questions]
    done = subprocess.run([*command, *texts], capture_output=True, text=True, env=environment, timeout=240)
    if done.returncode != 0:
        raise DemoError(f"search.py ended with exit code {done.returncode}\n{done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def snippet(text: str, length: int = 160) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else f"{flat[:length]}..."


def show_addresses(platform: Platform, progress: Progress) -> None:
    airflow = platform.airflow
    progress.say("airflow", f"{airflow.url}  user {airflow.username}  password {airflow.password}")
    progress.say("ray", platform.ray.dashboard_url)


if __name__ == "__main__":
    sys.exit(main())
