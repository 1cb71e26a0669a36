"""A library whose days change while a whole platform ingests them: what is in the store, and what Milvus must hold."""

import json
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from embedded.airflow_standalone import FINAL_STATES, QUICK_TO_NOTICE, AirflowComponent, AirflowStandalone
from embedded.pdfs import make_pdf
from embedded.platform import Platform
from embedded.processes import command_line, poll, send
from embedded.prometheus import Prometheus, installed
from embedded.statsd_exporter import StatsdExporter
from ingest.milvus.client import connect
from ingest.models.text_model import find_text_model
from ingest.pdf.document import prepare_documents
from ingest.run.report import REPORT_PREFIX
from pdf_rows import expected_ids, stored_ids

REPOSITORY = Path(__file__).parents[1]
BUCKET = "library"
ROOT = f"s3://{BUCKET}/pdfs/"
# Two jobs fit together into the head's two CPUs.
RESOURCES = json.dumps({"embed": {"actors": 1, "cpus": 0.15, "threads": 2}})
STAGES = {"parse": "parse_documents", "embed": "EmbedTexts", "write": "WriteObjects"}
"""The titles of Ray's workers, by stage."""


@dataclass
class Ended:
    """A run of a Dag that has come to its end, and the report of its job."""

    run_id: str
    state: str
    report: dict[str, Any]
    log: list[str]


class DayWorld:
    """Objects named like `2026-03-01/a.pdf` below ROOT, and the runs of the Dags over them."""

    def __init__(self, platform: Platform, model: str, prometheus: Prometheus | None = None) -> None:
        self.platform = platform
        self.airflow = platform.airflow
        self.prometheus = prometheus
        self.contents: dict[str, bytes] = {}
        self.versions: dict[str, str] = {}
        self.fingerprint = ""
        self.failed: Callable[[], bool] = lambda: False
        """Whether something went wrong, so that the logs must stay."""
        prepare_documents(find_text_model(model).tokenizer_json)

    # -- the store --

    def put(self, name: str, data: bytes | None = None) -> None:
        """A PDF of two pages, or other bytes."""
        if data is None:
            data = make_pdf(f"{name} has this page of its own, version {len(self.versions)}.", f"{name}: the end.")
        store = self.platform.object_store.client()
        answer = store.put_object(Bucket=BUCKET, Key=f"pdfs/{name}", Body=data)
        self.contents[ROOT + name], self.versions[ROOT + name] = data, answer["ETag"].strip('"')

    def delete(self, name: str) -> None:
        self.platform.object_store.client().delete_object(Bucket=BUCKET, Key=f"pdfs/{name}")
        del self.contents[ROOT + name], self.versions[ROOT + name]

    # -- Milvus --

    def assert_equal_to_the_store(self) -> None:
        """Each object has exactly the rows of a clean run, and an entry in the ledger; nothing else has any."""
        found, ledger = self.stored()
        assert found == expected_ids(self.contents, self.versions, self.fingerprint)
        assert {source: entry["version"] for source, entry in ledger.items()} == self.versions
        assert not [source for source, entry in ledger.items() if "unfinished" in entry["metadata"]]

    def stored(self, prefix: str = "") -> tuple[dict[str, list[str]], dict[str, dict[str, Any]]]:
        """The row ids and the ledger's entries, by source, of the collections with this prefix."""
        return stored_ids(connect(self.platform.milvus.uri, retry_seconds=120), prefix)

    # -- runs --

    def day(self, day: str, **form: Any) -> str:
        """Ask for a run of a day and the three days before it, as the schedule makes them; returns its id."""
        run = self.airflow.trigger("ingest_pdfs", {"lookback_days": 3, **form}, day)
        return str(run["dag_run_id"])

    def sweep(self, **form: Any) -> Ended:
        """Run the sweep of the PDFs to its end."""
        run_id = self.airflow.trigger("sweep", {"pipelines": ["pdfs"], **form})["dag_run_id"]
        return self.end("sweep", run_id, "sweep_pdfs")

    def quiet(self, dag_id: str) -> None:
        """Wait until the Dag has runs and all of them have ended: unpaused, it makes up for its last scheduled one."""

        def ended() -> bool:
            runs = self.airflow.runs(dag_id)
            return bool(runs) and all(run["state"] in FINAL_STATES for run in runs)

        poll(ended, 300, f"runs of {dag_id} go on", interval=1)

    def end(self, dag_id: str, run_id: str, task_id: str = "ingest", timeout: float = 900) -> Ended:
        """Wait for the run's end. Its log is that of the last try; the report stands there too if the job failed."""
        state = self.airflow.wait_run(dag_id, run_id, timeout)["state"]
        (task,) = [each for each in self.airflow.task_instances(dag_id, run_id) if each["task_id"] == task_id]
        log = self.airflow.task_log(dag_id, run_id, task_id, task["try_number"])
        lines = [line for line in log if line.startswith(REPORT_PREFIX)]
        if state == "success":
            report = self.airflow.xcom(dag_id, run_id, task_id)
        else:
            report = json.loads(lines[-1].removeprefix(REPORT_PREFIX)) if lines else {}
        if report:
            assert_adds_up(report)
            self.fingerprint = report["fingerprint"]
        return Ended(run_id, state, report, log)

    def wait_deferred(self, run_id: str) -> bool:
        """Wait until the triggerer is to watch the run's job; False if the run ends before."""

        def seen() -> str | None:
            (task,) = self.airflow.task_instances("ingest_pdfs", run_id)
            return task["state"] if task["state"] in ("deferred", *FINAL_STATES) else None

        return bool(poll(seen, 300, f"{run_id} is not deferred", interval=0.3) == "deferred")

    # -- what dies --

    def workers(self, stage: str) -> list[Any]:
        """The Ray workers of a stage: `parse`, `embed` or `write`; or the processes of the `driver`."""
        found = []
        for process in self.platform.ray.members():
            words = command_line(process)
            if stage == "driver":
                if any(word.endswith("ingest_pdfs.py") for word in words) and "python" in words[0]:
                    found.append(process)
            elif words and words[0].startswith("ray::") and STAGES[stage] in words[0]:
                found.append(process)
        return found

    def kill_worker(self, stage: str, run_id: str) -> bool:
        """SIGKILL the processes of a stage when there are some; False if the run ends before."""
        found = self.wait_for(stage, run_id)
        send(signal.SIGKILL, found)
        return bool(found)

    def wait_for(self, stage: str, run_id: str) -> list[Any]:
        """The processes of a stage when there are some; none if the run ends before."""

        def seen() -> tuple[list[Any]] | None:
            if found := self.workers(stage):
                return (found,)
            return ([],) if self.airflow.run("ingest_pdfs", run_id)["state"] in FINAL_STATES else None

        (found,) = poll(seen, 300, f"no process of {stage}", interval=0.1)
        return found

    def replace_component(self, name: str, folder: Path) -> AirflowComponent:
        """SIGKILL Airflow's scheduler or triggerer, and start another one."""
        send(signal.SIGKILL, self.airflow.component(name))
        return AirflowComponent(self.airflow, name, folder).start()


def assert_adds_up(report: Mapping[str, Any]) -> None:
    """The counts of a report are those of its sources, and each listed object has one outcome."""
    by_source = list(report["by_source"].values())
    for count in by_source[0]:
        assert report[count] == sum(each[count] for each in by_source), count
    assert report["listed"] == report["added"] + report["changed"] + report["unchanged"]
    assert report["failed"] == sum(group["count"] for group in report["failure_counts"])
    assert report["failed"] <= report["added"] + report["changed"]


QUICK_TO_EXPORT = {"RAY_metrics_report_interval_ms": "3000"}
"""Of Ray: the jobs of these days end before it would export their metrics twice. It forgets a gauge after 6 s."""


@contextmanager
def day_world(
    model: str, pools: int = 2, is_monitored: bool = False, plugin: Path | None = None, **environment: str
) -> Iterator[DayWorld]:
    """The platform of the demo, without its runs and with the project's Dags.

    pools: slots of the pool `ray`.
    is_monitored: whether Prometheus, if it is installed, reads the metrics of Airflow and of Ray.
    plugin: a module that Airflow loads beside the project's plugin.
    environment: of Airflow.
    """
    folder = Path(mkdtemp(prefix="days-", dir="/tmp"))  # short, because unix sockets of Ray live below it
    dags = shutil.copytree(REPOSITORY / "dags", folder / "dags")  # which a test may change
    plugins = folder / "plugins"
    plugins.mkdir()
    for each in (REPOSITORY / "plugins" / "ray_ingest_plugin.py", *([plugin] if plugin else [])):
        shutil.copy(each, plugins)
    platform = Platform(folder, dags, plugins, BUCKET, environment=QUICK_TO_EXPORT if is_monitored else None)
    monitors = ExitStack()
    if is_monitored:
        exporter = monitors.enter_context(StatsdExporter())
        environment |= exporter.environment()
    platform.airflow = AirflowStandalone(
        folder / "airflow", dags, plugins, {**QUICK_TO_NOTICE, **environment}, {"ray": pools}
    )
    kept = True
    try:
        prometheus = None
        if is_monitored and installed():
            targets = {"airflow": exporter.address, "ray": platform.ray.metrics_address}
            prometheus = monitors.enter_context(Prometheus(folder / "prometheus", targets))
        platform.start()
        site = {"ingest_jobs_dir": str(REPOSITORY / "ray_jobs"), "ingest_resources_pdfs": RESOURCES}
        platform.configure({"ingest_embedding_model": model, **site})
        for dag_id in ("ingest_pdfs", "sweep"):
            platform.airflow.wait_dag(dag_id)
        world = DayWorld(platform, model, prometheus)
        yield world
        kept = world.failed()
    finally:
        platform.stop()
        monitors.close()
        if kept:
            print(f"the logs are kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
