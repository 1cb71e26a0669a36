"""The whole path on one machine: files in an object store, Airflow, Ray jobs, Milvus, and questions answered.

    uv run python tests/demo.py [--keep] [--hub]

Everything listens on loopback, on free ports, keeps its files in one temporary folder, and ends with this program.
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType, MappingProxyType

import psutil

from embedded.demo_models import HUB_MODELS, ModelError, PackagedModels
from embedded.demo_results import AnswerError, ask, show_answers, show_reports, show_rows, show_where_to_look
from embedded.demo_service import ServiceError, deploy_service
from embedded.exhibits import Batch, batches, make_files, questions
from embedded.ingest_runs import RunError, run_all, states
from embedded.platform import Platform
from embedded.processes import Part, StartError
from embedded.progress import Progress

REPOSITORY = Path(__file__).resolve().parent.parent
BUCKET = "library"
# With two jobs at once the demo takes up to 7.7 GB (measured, shared memory left out).
MEMORY_FOR_TWO = 12_000_000_000
# The actors of two jobs, one parsing task and one writing task fit together into the head's two CPUs.
ACTOR = {"actors": 1, "cpus": 0.15, "threads": 2}
RESOURCES = {"pdfs": ["embed"], "images": ["embed"], "videos": ["embed", "frames", "transcribe"]}


class DemoError(RuntimeError):
    """The demo did not do what it is there to show."""


EXPECTED = (
    AnswerError, DemoError, ModelError, OSError, RunError, ServiceError, StartError, subprocess.TimeoutExpired,
)  # fmt: skip
"""What ends the demo with a sentence."""


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
        progress.show(f"Logs and data are in {folder}")
        code = 1
        models = PackagedModels(folder / "models.log", progress)
        platform = make_platform(folder, options.hub, progress)
        try:
            run(platform, models, options.hub, options.keep, progress)
            code = 0
            if options.keep:
                progress.show("\nEverything stays up until Ctrl-C.")
                signal.pause()
        except KeyboardInterrupt:
            code = 0 if code == 0 else 130
            progress.show("Told to end." if code == 0 else "Interrupted.")
        except EXPECTED as error:
            progress.show(f"FAILED: {error}")
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave the ending half done
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            models.stop()
            end(platform, folder, code, progress)
    return code


def interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def end(platform: Platform, folder: Path, code: int, progress: Progress) -> None:
    progress.step("end", "every part is told to end")
    platform.stop()
    if code == 1:
        progress.end("end", f"no process is left; the logs are kept in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
        progress.end("end", "no process and no file is left")


def make_platform(folder: Path, hub: bool, progress: Progress) -> Platform:
    def report(part: Part, event: str) -> None:
        (progress.end if event == "up" else progress.step)(part.name, event)

    environment = {"HF_HUB_OFFLINE": "0"} if hub else {}
    return Platform(folder, REPOSITORY / "dags", REPOSITORY / "plugins", BUCKET, report, environment)


def run(
    platform: Platform,
    models: PackagedModels,
    hub: bool,
    keep: bool,
    progress: Progress,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Start the platform, ingest the files, ask the questions, and show all of it.

    variables: of Airflow, beside those that name the models and the stores.
    """
    files: dict[str, bytes] = {}
    if not hub:
        models.start()
    platform.start(then=lambda: files.update(make_files()))
    paths = HUB_MODELS if hub else models.paths()
    configure(platform, paths, variables, progress)
    planned = batches(datetime.now(UTC).date() - timedelta(days=1))
    put_objects(platform, planned, files, progress)
    at_once = 2 if psutil.virtual_memory().total >= MEMORY_FOR_TWO else 1
    ended = run_all(platform.airflow, BUCKET, planned, at_once, progress)
    page = platform.object_store.folder.parent / "answers.html" if keep else None
    service = deploy_service(platform, hub, progress)
    platform.airflow.api("POST", "/connections", service.connection())
    answers = ask(service, page, progress)
    show_answers(answers, progress)
    show_reports(ended, progress)
    show_rows(platform.milvus.uri, progress)
    check(platform, len(answers), progress)
    show_where_to_look(platform, service, page, progress)


def configure(platform: Platform, paths: Mapping[str, str], variables: Mapping[str, str], progress: Progress) -> None:
    progress.step("dags", "Airflow reads the Dags")
    resources = {
        f"ingest_resources_{pipeline}": json.dumps(dict.fromkeys(stages, ACTOR))
        for pipeline, stages in RESOURCES.items()
    }
    named = {f"ingest_{role}_model": path for role, path in paths.items()}
    # Each batch is ingested by its own run, so that the schedule leaves the day before to the backfill.
    platform.configure({**named, **resources, "ingest_lookback_days": "0", **variables})
    for pipeline in RESOURCES:
        platform.airflow.wait_dag(f"ingest_{pipeline}")
    airflow = platform.airflow
    progress.end("dags", f"at {airflow.url}, user {airflow.username}, password {airflow.password}")


def put_objects(platform: Platform, planned: tuple[Batch, ...], files: Mapping[str, bytes], progress: Progress) -> None:
    progress.step("files", f"to s3://{BUCKET}")
    client = platform.object_store.client()
    for batch in (batch for batch in planned if not batch.is_repeated):
        for name in batch.files:
            client.put_object(Bucket=BUCKET, Key=batch.prefix + name, Body=files[name])
    progress.end("files", f"{len(files)} PDFs, photos and videos are in s3://{BUCKET}")


def check(platform: Platform, answered: int, progress: Progress) -> None:
    """Raises DemoError when a question was answered by something else, or when a run of any Dag did not succeed."""
    found = states(platform.airflow)
    if bad := {name: state for name, state in found.items() if state != "success"}:
        raise DemoError(f"not every run in Airflow succeeded: {bad}")
    progress.show(
        f"\n{answered} of {len(questions())} questions are answered, "
        f"and all {len(found)} runs in Airflow succeeded, after {progress.seconds:.0f} s."
    )


if __name__ == "__main__":
    sys.exit(main())
