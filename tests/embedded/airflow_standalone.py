"""Airflow standalone on loopback: API server, scheduler, Dag processor and triggerer on one database."""

import json
import secrets
import threading
import urllib.parse
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from embedded.airflow_database import SQLITE_TIMEOUT, AirflowDatabase
from embedded.http import HttpError, request_json
from embedded.ports import free_ports
from embedded.processes import Part, StartError, command_line, poll

FINAL_STATES = ("success", "failed")
API_ATTEMPTS = 4
COMPONENTS = ("scheduler", "triggerer", "dag_processor")
# What Airflow notices within seconds or minutes by default, of new work or a killed component, a test sees at once.
QUICK_TO_NOTICE = {
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
}


# By default, SQLite gives the id of a deleted row to the next one. The last event of a trigger whose task was cleared
# then reaches the next try, which resumes before the scheduler has seen it defer, and fails (apache/airflow#67287). No
# other database does so.
LOCAL_SETTINGS = """
from sqlalchemy import Table, event


@event.listens_for(Table, "before_create")
def never_give_an_id_twice(table, connection, **options):
    if table.name == "trigger":
        table.dialect_options["sqlite"]["autoincrement"] = True
"""


class AirflowStandalone(Part):
    """`airflow standalone` with `folder` as its home, no examples, and the given Dags and plugins.

    environment: variables of every component, such as `AIRFLOW_CONN_*`, `AIRFLOW_VAR_*` and `AIRFLOW__SECTION__KEY`.
    pools: slots by name; deferred tasks count. They are made when the API first answers.
    """

    name = "airflow"
    start_timeout = 240.0
    username = "admin"

    def __init__(
        self,
        folder: Path,
        dags_folder: Path,
        plugins_folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        pools: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(folder)
        self.dags_folder = dags_folder
        self.plugins_folder = plugins_folder or folder / "plugins"
        self.pools = dict(pools or {"ray": 2})
        self.database = AirflowDatabase(folder / "airflow.db")
        self._environment = dict(environment or {})
        self._ports = free_ports(4)
        self.url = f"http://127.0.0.1:{self._ports[0]}"
        self.password = secrets.token_urlsafe(9)
        self._launched = datetime.now(UTC)
        self._token: str | None = None
        self._token_lock = threading.Lock()

    @property
    def _passwords_file(self) -> Path:
        return self.folder / "passwords.json"

    def command(self) -> list[str]:
        return ["airflow", "standalone"]

    def environment(self) -> dict[str, str]:
        return {
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self._ports[0]),
            "AIRFLOW__API__WORKERS": "1",
            # The first file takes long on two busy cores, and would be read again only after minutes.
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "80",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags_folder),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(self.plugins_folder),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._passwords_file),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{self.username}:admin",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database.url,
            # A new or changed Dag file is seen within seconds; the defaults are minutes. An unchanged one is read again
            # every two minutes.
            "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "2",
            "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "90",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "120",
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(self._ports[1]),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(self._ports[2]),
            "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(self._ports[3]),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            # A task's own requests; 5 seconds are short for an API server that shares two busy cores.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "30",
            **self._environment,
        }

    def prepare(self) -> None:
        self._launched = datetime.now(UTC)
        self.plugins_folder.mkdir(parents=True, exist_ok=True)
        settings = self.folder / "config" / "airflow_local_settings.py"  # in AIRFLOW_HOME, where Airflow imports it
        settings.parent.mkdir(exist_ok=True)
        settings.write_text(LOCAL_SETTINGS)
        self.database.create()
        # Chosen here, so that the password is known without reading Airflow's output.
        if self._passwords_file.exists():
            self.password = json.loads(self._passwords_file.read_text())[self.username]
        else:
            self._passwords_file.write_text(json.dumps({self.username: self.password}))

    def serves(self) -> bool:
        # "healthy" is only as fresh as a heartbeat in the database, which may be that of components killed just now.
        return all(self.heartbeat(component) > self._launched for component in COMPONENTS)

    def heartbeat(self, component: str) -> datetime:
        """The latest heartbeat of a `scheduler`, `triggerer` or `dag_processor`, of whichever process."""
        health = request_json("GET", f"{self.url}/api/v2/monitor/health", timeout=5)
        beat = health[component][f"latest_{component}_heartbeat"]
        return datetime.fromisoformat(beat) if beat else datetime.min.replace(tzinfo=UTC)

    def serving(self) -> None:
        for name, slots in self.pools.items():
            body = {"name": name, "slots": slots, "include_deferred": True}
            try:
                self.api("POST", "/pools", body)
            except HttpError as error:
                if error.status != 409:  # it is there from an earlier start
                    raise StartError(f"pool {name}: {error}") from error

    # -- single components, for tests that kill them --

    def component(self, name: str) -> list[psutil.Process]:
        """`airflow NAME` (scheduler, triggerer) and everything that it started, first itself."""
        for process in self.members():
            words = command_line(process)
            if words[-1:] == [name] and any(word.endswith("airflow") for word in words):
                return [process, *process.children(recursive=True)]
        raise LookupError(f"no airflow {name} runs")

    def task_processes(self) -> list[psutil.Process]:
        """The processes that run a task's code: `airflow worker -- <task instance id>`, as task_runner.py names them.

        Not among them: `airflow worker -- LocalExecutor: ...`, their parents, which start one task after the other.
        """
        titles = {process: " ".join(command_line(process)) for process in self.members()}
        return [
            process
            for process, title in titles.items()
            if title.startswith("airflow worker -- ") and "LocalExecutor" not in title
        ]

    # -- the REST API --

    def api(self, method: str, path: str, body: object = None, *, once: bool = False) -> Any:
        """One request to `/api/v2` + `path`, signed in as admin; returns the parsed answer. Raises HttpError.

        A write that met SQLite's lock is rolled back whole and answered by a 500: it is sent again. So is a request
        without an answer, unless it would make something twice, as every POST does and what is to happen `once`: a
        route that waits in the event loop of the API server for a writer that needs the loop ends only with SQLite's
        timeout.
        """
        once = once or method == "POST"
        timeout = SQLITE_TIMEOUT + 30 if once else 30
        renew = False
        for attempt in range(1, API_ATTEMPTS + 1):
            try:
                headers = {"Authorization": f"Bearer {self._bearer(renew)}"}
                return request_json(method, f"{self.url}/api/v2{path}", body, headers, timeout)
            except HttpError as error:
                expired, locked = error.status == 401, error.status == 500 and "Database error" in str(error)
                if attempt == API_ATTEMPTS or not (expired or locked) or (expired and renew):
                    raise
                renew = expired
            except TimeoutError:
                if attempt == API_ATTEMPTS or once:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _bearer(self, renew: bool) -> str:
        with self._token_lock:
            if self._token is None or renew:
                body = {"username": self.username, "password": self.password}
                self._token = request_json("POST", f"{self.url}/auth/token", body)["access_token"]
            return self._token

    def wait_dag(self, dag_id: str, timeout: float = 90.0) -> dict[str, Any]:
        """Wait until the Dag is known and return it. Raises StartError with Airflow's import errors if it is not."""
        try:
            dag: dict[str, Any] = poll(lambda: self._dag(dag_id), timeout, f"no Dag {dag_id}", interval=0.5)
            return dag
        except TimeoutError as error:
            errors = self.api("GET", "/importErrors")["import_errors"]
            traces = "\n".join(f"{each['filename']}: {each['stack_trace']}" for each in errors)
            raise StartError(f"{error}\n{traces}\n{self.log_tail()}") from None

    def _dag(self, dag_id: str) -> dict[str, Any] | None:
        try:
            dag: dict[str, Any] = self.api("GET", f"/dags/{dag_id}")
        except HttpError as error:
            if error.status != 404:
                raise
            return None
        return None if dag.get("has_import_errors") or dag.get("is_stale") else dag

    def unpause(self, dag_id: str) -> None:
        self.api("PATCH", f"/dags/{dag_id}", {"is_paused": False})

    def trigger(
        self, dag_id: str, conf: Mapping[str, object] | None = None, partition_key: str | None = None
    ) -> dict[str, Any]:
        """Start one manual run with `conf` as its params; returns the run (`dag_run_id` names it)."""
        body: dict[str, object] = {"logical_date": None, "conf": dict(conf or {})}
        if partition_key is not None:
            body["partition_key"] = partition_key
        run: dict[str, Any] = self.api("POST", f"/dags/{dag_id}/dagRuns", body)
        return run

    def backfill(
        self, dag_id: str, from_date: str, to_date: str, conf: Mapping[str, object] | None = None, **options: object
    ) -> dict[str, Any]:
        """Start a backfill over the days `from_date` to `to_date` (YYYY-MM-DD, both included); returns it.

        A Dag has one backfill at a time, and the scheduler notices only twice a minute that one has ended: wait for it.

        options: other fields of Airflow's request, such as `reprocess_behavior` or `max_active_runs`.
        """

        def others_ended() -> bool:
            known = self.api("GET", f"/backfills?dag_id={_quoted(dag_id)}&limit=100")["backfills"]
            return all(each["completed_at"] for each in known)

        poll(others_ended, 120, f"a backfill of {dag_id} goes on", interval=1)
        body = {
            "dag_id": dag_id,
            "from_date": f"{from_date}T00:00:00Z",
            "to_date": f"{to_date}T00:00:00Z",
            "dag_run_conf": dict(conf or {}),
            **options,
        }
        result: dict[str, Any] = self.api("POST", "/backfills", body)
        return result

    def runs(self, dag_id: str, run_type: str | None = None) -> list[dict[str, Any]]:
        """The Dag's runs, oldest first; `run_type` is `manual`, `scheduled`, `backfill` or `asset_triggered`."""
        query = f"&run_type={run_type}" if run_type else ""
        runs: list[dict[str, Any]] = self.api("GET", f"/dags/{dag_id}/dagRuns?order_by=id{query}")["dag_runs"]
        return runs

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        result: dict[str, Any] = self.api("GET", f"/dags/{dag_id}/dagRuns/{_quoted(run_id)}")
        return result

    def wait_run(self, dag_id: str, run_id: str, timeout: float = 300.0) -> dict[str, Any]:
        """Wait until the run succeeded or failed, and return it. Raises TimeoutError."""

        def final() -> dict[str, Any] | None:
            run = self.run(dag_id, run_id)
            return run if run["state"] in FINAL_STATES else None

        result: dict[str, Any] = poll(final, timeout, f"run {run_id} of {dag_id} has no final state", interval=0.5)
        return result

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The run's task instances, each with `task_id`, `state` and `try_number`."""
        path = f"/dags/{dag_id}/dagRuns/{_quoted(run_id)}/taskInstances"
        instances: list[dict[str, Any]] = self.api("GET", path)["task_instances"]
        return instances

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, logger: str = "") -> list[str]:
        """The messages of one try so far, of loggers whose name holds `logger`, by time; empty while there is no log.

        A later call may have new messages between old ones: workers and triggerer write beside each other.
        """
        path = f"/dags/{dag_id}/dagRuns/{_quoted(run_id)}/taskInstances/{task_id}/logs/{try_number}?full_content=true"
        try:
            content = self.api("GET", path)["content"]
        except HttpError as error:
            if error.status != 404:
                raise
            return []
        entries = [{"event": line} if isinstance(line, str) else line for line in content]
        return [entry["event"] for entry in entries if logger in (entry.get("logger") or "")]

    def answer(self, dag_id: str, run_id: str, task_id: str, option: str) -> dict[str, Any]:
        """Answer the question of a run as a person does in the UI, once it is asked; returns the question."""

        def asked() -> bool:
            tasks = self.task_instances(dag_id, run_id)
            return any(task["task_id"] == task_id and task["state"] == "awaiting_input" for task in tasks)

        poll(asked, 300, f"nobody is asked about {run_id}", interval=0.5)
        # As any person does: Airflow takes a task that goes on before the scheduler has seen the end of its first
        # process, of the same try, for one that was killed, and fails it.
        ended = f"TaskInstance Finished: dag_id={dag_id}, task_id={task_id}, run_id={run_id},"
        poll(lambda: ended in self.log.read_text(), 60, "the scheduler sees the end of the process", interval=0.5)
        path = f"/dags/{dag_id}/dagRuns/{_quoted(run_id)}/taskInstances/{task_id}/-1/hitlDetails"
        question: dict[str, Any] = self.api("GET", path)
        # Twice, the answer would resume the task twice, of which Airflow takes one for killed.
        self.api("PATCH", path, {"chosen_options": [option]}, once=True)
        return question

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """The value that the task left under `key`. Raises HttpError 404 when there is none."""
        path = f"/dags/{dag_id}/dagRuns/{_quoted(run_id)}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.api("GET", f"{path}?deserialize=true")["value"]


class AirflowComponent(Part):
    """One more `airflow NAME` (scheduler, triggerer) on the database of a running `AirflowStandalone`."""

    start_timeout = 120.0

    def __init__(self, airflow: AirflowStandalone, name: str, folder: Path) -> None:
        self.name = name
        super().__init__(folder)
        self._airflow = airflow
        self._ports = free_ports(2)
        self._launched = datetime.now(UTC)

    def command(self) -> list[str]:
        return ["airflow", self.name]

    def environment(self) -> dict[str, str]:
        return {
            **self._airflow.environment(),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(self._ports[0]),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(self._ports[1]),
        }

    def prepare(self) -> None:
        self._launched = datetime.now(UTC)

    def serves(self) -> bool:
        return self._airflow.heartbeat(self.name) > self._launched


def _quoted(run_id: str) -> str:
    return urllib.parse.quote(run_id, safe="")
