"""The embedded platform itself: every part starts, serves, comes back after SIGKILL, and leaves nothing behind."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from embedded.airflow_standalone import AirflowStandalone
from embedded.http import HttpError, request_json
from embedded.milvus_lite import MilvusLite
from embedded.object_store import ObjectStore
from embedded.pdfs import DAYS, QUESTIONS, make_pdfs
from embedded.ports import free_ports
from embedded.processes import Part, StartError, poll
from embedded.ray_head import RayHead

TESTS = Path(__file__).parent

pytestmark = pytest.mark.tier("parts")


class Script(Part):
    """A part made of a few lines of Python, which serves once the file `ready` is there."""

    name = "script"
    start_timeout = 10.0
    stop_grace = 1.0

    def __init__(self, folder: Path, code: str) -> None:
        super().__init__(folder)
        self.code = code

    def command(self) -> list[str]:
        return [sys.executable, "-I", "-c", self.code]

    def serves(self) -> bool:
        return (self.folder / "ready").exists()


STUBBORN_DAEMON = """
import os, pathlib, signal, time
if os.fork() == 0:
    os.setsid()                     # leaves the session
    if os.fork() == 0:              # and then its parent, as daemons do
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        pathlib.Path("pid").write_text(str(os.getpid()))
        pathlib.Path("pid").rename("ready")
        time.sleep(600)
    os._exit(0)
PARENT
"""


def assert_gone(processes: list[psutil.Process]) -> None:
    assert processes, "the part had no process"
    assert [process for process in processes if process.is_running()] == []


def mentioning(text: str) -> list[psutil.Process]:
    """Processes that have `text` in their command line or work in a folder of that name."""
    found = []
    for process in psutil.process_iter():
        try:
            if text in " ".join(process.cmdline()) or text in process.cwd():
                found.append(process)
        except psutil.Error:
            continue  # it ended, or is not ours to look at
    return found


@pytest.mark.parametrize("end", [Part.stop, Part.kill])
def test_a_daemon_that_ignores_sigterm_is_ended(tmp_path: Path, end: Callable[[Part], None]) -> None:
    part = Script(tmp_path, STUBBORN_DAEMON.replace("PARENT", "time.sleep(600)")).start()
    daemon = int((tmp_path / "ready").read_text())
    members = part.members()
    assert daemon in [member.pid for member in members]
    end(part)
    assert_gone(members)
    assert not part.running


def test_what_is_left_of_a_crashed_part_is_ended(tmp_path: Path) -> None:
    crash = "while not pathlib.Path('ready').exists(): time.sleep(0.01)\nraise SystemExit(3)"
    part = Script(tmp_path, STUBBORN_DAEMON.replace("PARENT", crash))
    part.launch()
    poll(lambda: not part.running, 10, "the part still runs")
    assert not psutil.pid_exists(int((tmp_path / "ready").read_text()))


def test_a_part_that_ends_at_once_says_why(tmp_path: Path) -> None:
    part = Script(tmp_path, "raise SystemExit('no such database')")
    with pytest.raises(StartError, match=r"exit code 1(.|\n)*no such database"):
        part.start()
    assert part.members() == []


def test_a_part_that_never_serves_is_ended_at_the_deadline(tmp_path: Path) -> None:
    part = Script(tmp_path, "import time; print('still loading', flush=True); time.sleep(600)")
    part.start_timeout = 1.0
    with pytest.raises(StartError, match=r"not within 1 s(.|\n)*still loading"):
        part.start()
    assert part.members() == []


def test_ports_are_distinct_across_processes() -> None:
    code = "from embedded.ports import free_ports; import time; print(free_ports(200), flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=TESTS, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = {int(port) for port in other.stdout.readline().strip("[]\n").split(",")}
        ours = set(free_ports(200))
        other.kill()
    assert len(theirs) == len(ours) == 200
    assert not theirs & ours


@pytest.mark.nightly
def test_object_store_keeps_objects_over_sigkill(tmp_path: Path) -> None:
    from botocore.exceptions import ClientError

    with ObjectStore(tmp_path) as store:
        store.bucket("papers")
        store.client().put_object(Bucket="papers", Key="a/b.pdf", Body=b"%PDF")
        members = store.members()
        store.kill()
        assert_gone(members)
        store.start()
        assert store.client().get_object(Bucket="papers", Key="a/b.pdf")["Body"].read() == b"%PDF"
        stranger = ObjectStore(tmp_path / "never started", secret_key="wrong")
        stranger.endpoint_url = store.endpoint_url
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            stranger.client().list_objects_v2(Bucket="papers")
        members = store.members()
    assert_gone(members)
    assert mentioning(str(tmp_path)) == []
    assert not [each for port in store._ports for each in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]


@pytest.mark.nightly
def test_milvus_keeps_rows_over_sigkill(tmp_path: Path) -> None:
    from pymilvus import MilvusClient

    with MilvusLite(tmp_path) as server:
        client = MilvusClient(server.uri)
        client.create_collection("points", dimension=4)
        client.insert("points", [{"id": number, "vector": [number, 1, 0, 0]} for number in range(10)])
        client.close()
        members = server.members()
        server.kill()
        assert_gone(members)
        server.start()
        client = MilvusClient(server.uri)
        client.load_collection("points")  # a restarted server has released every collection
        assert len(client.query("points", filter="id >= 0", output_fields=["id"], consistency_level="Strong")) == 10
        client.close()
        members = server.members()
    assert_gone(members)
    assert mentioning(str(tmp_path)) == []


def job_status(head: RayHead, job_id: str) -> str | None:
    job = request_json("GET", f"{head.dashboard_url}/api/jobs/{job_id}", headers=head.headers())
    return job["status"] if job["status"] in ("SUCCEEDED", "FAILED", "STOPPED") else None


def run_job(head: RayHead, entrypoint: str) -> str:
    body = {"entrypoint": entrypoint}
    job_id = request_json("POST", f"{head.dashboard_url}/api/jobs/", body, head.headers())["submission_id"]
    status = poll(lambda: job_status(head, job_id), 90, "the job has no final status")
    logs = request_json("GET", f"{head.dashboard_url}/api/jobs/{job_id}/logs", headers=head.headers())["logs"]
    assert status == "SUCCEEDED", logs
    return logs


@pytest.mark.nightly
def test_ray_head_runs_jobs_with_its_environment_and_comes_back(tmp_path: Path) -> None:
    with RayHead(tmp_path, environment={"GREETING": "hello"}, num_cpus=1, auth_token="t" * 40) as head:
        with pytest.raises(HttpError) as refused:
            request_json("GET", f"{head.dashboard_url}/api/jobs/")
        assert refused.value.status == 401
        code = "import os, ray; ray.init(); print(os.environ['GREETING'], ray.cluster_resources()['CPU'])"
        assert "hello 1.0" in run_job(head, f'python -c "{code}"')
        first = request_json("GET", f"{head.dashboard_url}/api/version", headers=head.headers())["session_name"]
        members = head.members()
        head.kill()
        assert_gone(members)
        head.start()
        second = request_json("GET", f"{head.dashboard_url}/api/version", headers=head.headers())["session_name"]
        assert second != first
        members = head.members()
        assert listening_addresses(members) == {"127.0.0.1"}
    assert_gone(members)
    assert not head.temp_dir.exists()
    assert mentioning(head.temp_dir.name) == []


def listening_addresses(processes: list[psutil.Process]) -> set[str]:
    found = set()
    for process in processes:
        for each in process.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN:
                found.add(each.laddr.ip.removeprefix("::ffff:"))
    return found


HELLO_DAG = """
from airflow.sdk import CronPartitionTimetable, Variable, dag, task

@dag(schedule=CronPartitionTimetable("0 0 * * *", timezone="UTC", key_format="%Y-%m-%d"), params={"name": "nobody"})
def hello():
    @task(pool="ray")
    def greet(params=None, dag_run=None):
        print("good morning from the task")
        return f"{Variable.get('greeting')} {params['name']} {dag_run.partition_key}"

    greet()

hello()
"""


@pytest.mark.chaos
def test_airflow_runs_and_backfills_and_comes_back(tmp_path: Path) -> None:
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "hello.py").write_text(HELLO_DAG)
    environment = {"AIRFLOW_VAR_GREETING": "hello"}
    with AirflowStandalone(tmp_path / "home", dags, environment=environment, pools={"ray": 3}) as airflow:
        pool = airflow.api("GET", "/pools/ray")
        assert (pool["slots"], pool["include_deferred"]) == (3, True)
        assert airflow.wait_dag("hello")["is_paused"]
        airflow.unpause("hello")
        run_id = airflow.trigger("hello", {"name": "Ada"}, partition_key="2026-01-01")["dag_run_id"]
        backfill = airflow.backfill("hello", "2026-01-02", "2026-01-03", {"name": "Grace"})
        assert airflow.wait_run("hello", run_id)["state"] == "success"
        assert airflow.xcom("hello", run_id, "greet") == "hello Ada 2026-01-01"
        assert "good morning from the task" in airflow.task_log("hello", run_id, "greet")
        poll(lambda: airflow.api("GET", f"/backfills/{backfill['id']}")["completed_at"], 90, "backfill not done", 0.5)
        keys = [run["partition_key"] for run in airflow.runs("hello", "backfill") if run["state"] == "success"]
        assert sorted(keys) == ["2026-01-02", "2026-01-03"]
        members = airflow.members()
        airflow.kill()
        assert_gone(members)
        airflow.start()
        assert airflow.run("hello", run_id)["state"] == "success"
        run_id = airflow.trigger("hello", {"name": "Alan"})["dag_run_id"]
        assert airflow.wait_run("hello", run_id)["state"] == "success"
        members = airflow.members()
    assert_gone(members)
    assert mentioning(str(tmp_path)) == []


OWNER = """
import sys, time
from pathlib import Path
from embedded.milvus_lite import MilvusLite
from embedded.object_store import ObjectStore
from embedded.ray_head import RayHead
folder = Path(sys.argv[1])
parts = [ObjectStore(folder / "s3"), MilvusLite(folder / "milvus"), RayHead(folder / "ray", num_cpus=1)]
parts[2].launch()                   # killed in the middle of its start
for part in parts[:2]:
    part.start()
print(parts[2].temp_dir)
print(*[member.pid for part in parts for member in part.members()], flush=True)
time.sleep(600)
"""


@pytest.mark.nightly
def test_nothing_outlives_an_owner_that_is_sigkilled(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        temp_dir = owner.stdout.readline().strip()
        members = [psutil.Process(int(pid)) for pid in owner.stdout.readline().split()]
        assert len(members) >= 6
        owner.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(members, timeout=10)
    assert alive == []
    poll(lambda: not mentioning(str(tmp_path)) + mentioning(temp_dir), 10, "processes of the dead owner are left")
    shutil.rmtree(temp_dir)


def test_pdfs_are_the_same_each_time_and_hold_the_answers() -> None:
    import pymupdf

    pdfs: dict[str, bytes] = {}
    for day in DAYS:
        assert make_pdfs(day) == make_pdfs(day)
        pdfs.update(make_pdfs(day))
    assert len(pdfs) == 12
    for question in QUESTIONS:
        with pymupdf.open(stream=pdfs[question.file]) as document:
            assert 2 <= len(document) <= 4
            assert len(document[question.page - 1].get_text()) > 100
    with pymupdf.open(stream=pdfs["tea-harvest.pdf"]) as document:
        assert "水温以八十度为宜" in document[2].get_text()
