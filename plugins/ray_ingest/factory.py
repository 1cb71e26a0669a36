"""Makes the tasks of this platform's Dags: each runs one job script with the site's Milvus and collections.

The module is installed with its package, so that Airflow can import it wherever it reads a Dag file from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowSkipException

from airflow_ray.operators.job import RayOperator
from ray_ingest.announcements import announce, before_attempt, leave_to_next_run
from ray_ingest.approvals import approval_task, approvals_are_on, approved_flags
from ray_ingest.arguments import begun_arguments, keep_arguments, kept_arguments
from ray_ingest.assets import collection_asset
from ray_ingest.cleaner import warn_without_cleaner
from ray_ingest.job_scripts import COLLECTIONS, EXIT_CODES
from ray_ingest.lineage import lineage
from ray_ingest.metrics import record_failure, record_success
from ray_ingest.notes import leave_note, leave_note_of_failure
from ray_ingest.templates import check_flags, daily_flags, sweep_flags, variable


class ScriptOperator(RayOperator):
    """A ``RayOperator`` for the job scripts: it may have several sources, and tells OpenLineage its datasets.

    The flag ``source`` is given once for each line of its text, and empty environment variables are dropped. A template
    renders to one text, and the number of a run's sources is known only then.
    """

    report: Mapping[str, Any] | None = None
    """The report of the job, once it has succeeded."""
    pipeline: str | None = None
    """The pipeline that the form must have chosen, or the task is skipped; None if it runs in any case."""
    asked_by: str | None = None
    """The task that has asked, whose arguments count, but for the flags of ``approved_flags``."""
    is_rendered = False
    is_chosen = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.collections = [outlet.name for outlet in self.outlets if isinstance(outlet, Asset)]

    def get_openlineage_facets_on_start(self) -> Any:
        """The datasets that the job will read and write; called by the provider for OpenLineage, if there is one."""
        return self._lineage()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """The datasets, with the numbers of rows; also called for a task that failed, without them, or was skipped."""
        return None if getattr(task_instance, "state", None) == "skipped" else self._lineage()

    def _lineage(self) -> Any:
        """None for a task that is skipped, or where a template has failed, whose text names no dataset."""
        has_datasets = self.is_rendered and self.is_chosen
        return lineage(self.arguments or {}, self.collections, self.report) if has_datasets else None

    def execute(self, context: Any) -> Any:
        """As in the base class; not called again when the task goes on after its deferral."""
        keep_arguments(context)
        return super().execute(context)

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """As in the base class, and the sources become a list, which the Airflow UI shows."""
        begun = begun_arguments(context)
        if begun is not None:
            self.arguments = {}
        super().render_template_fields(context, jinja_env)
        self.arguments = with_sources(self.arguments or {}) if begun is None else begun
        if begun is None and self.asked_by is not None:
            approved = {flag: self.arguments[flag] for flag in approved_flags(self.asked_by)}
            self.arguments = {**self.arguments, **kept_arguments(context, self.asked_by), **approved}
        runtime_env = self.runtime_env or {}
        variables = {name: value for name, value in runtime_env.get("env_vars", {}).items() if value}
        self.runtime_env = {**runtime_env, "env_vars": variables}
        self.is_rendered = True
        self.is_chosen = self.pipeline is None or self.pipeline in chosen_pipelines(context)


def with_sources(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The rendered arguments, with a list of sources where there are several."""
    lines = str(arguments.get("source", "")).splitlines()
    return {**arguments, "source": lines} if len(lines) > 1 else dict(arguments)


def daily_task(pipeline: str, dag_file: str) -> RayOperator:
    """The task of a pipeline's daily Dag. It ingests the partition's prefix, or the form's ``source``."""
    return _ingest_task("ingest", pipeline, daily_flags(pipeline), dag_file, pre_execute=warn_without_cleaner)


def sweep_task(pipeline: str, dag_file: str) -> RayOperator:
    """A task that ingests everything of a pipeline, if the form's ``pipelines`` have it."""
    return _ingest_task(f"sweep_{pipeline}", pipeline, sweep_flags(pipeline), dag_file, only_for=pipeline)


def _ingest_task(task_id: str, pipeline: str, flags: Mapping[str, Any], dag_file: str, **before: Any) -> RayOperator:
    """A task that ingests; where people decide, two more follow it: one asks, and one does what is approved."""
    script, outlets = f"ingest_{pipeline}.py", [collection_asset(name) for name in COLLECTIONS[pipeline]]
    if not approvals_are_on():
        return script_task(task_id, script, flags, dag_file, outlets, **before)
    task = script_task(task_id, script, {**flags, "ask-first": True}, dag_file, outlets, **before)
    approved = script_task(f"{task_id}_approved", script, {**flags, **approved_flags(task_id)}, dag_file, outlets)
    approved.asked_by = task_id
    task >> approval_task(task_id, pipeline) >> approved
    return task


def check_task(pipeline: str, dag_file: str) -> RayOperator:
    """A task that tells the states of a pipeline's days, if the form's ``pipelines`` have it."""
    script, flags = f"ingest_{pipeline}.py", check_flags(pipeline)
    return script_task(f"check_{pipeline}", script, flags, dag_file, only_for=pipeline)


def skip_unless(pipeline: str) -> Callable[[Any], None]:
    """A ``pre_execute`` hook that skips the task when the form's ``pipeline`` or ``pipelines`` are others."""

    def check(context: Any) -> None:
        chosen = chosen_pipelines(context)
        if pipeline not in chosen:
            raise AirflowSkipException(f"This run is for {' and '.join(chosen)}.")

    return check


def chosen_pipelines(context: Any) -> list[str]:
    """The form's ``pipeline`` or ``pipelines``."""
    params = context["params"]
    return list(params["pipelines"]) if "pipelines" in params else [params["pipeline"]]


def after_run(context: Any, report: Mapping[str, Any] | None) -> None:
    """A ``post_execute`` hook of the tasks that write: record metrics, leave a note, and then announce the changes."""
    context["task"].report = report
    record_success(context, report)
    leave_note(context, report)
    announce(context, report)


def script_task(
    task_id: str,
    script: str,
    arguments: Mapping[str, Any],
    dag_file: str,
    outlets: Sequence[Asset] = (),
    pre_execute: Callable[[Any], None] | None = None,
    only_for: str | None = None,
) -> RayOperator:
    """A task that runs a job script with the site's Milvus and collections, in the pool ``ray``, with retries.

    :param script: file name in ``ray_jobs/``; templated.
    :param arguments: the script's other flags; templated.
    :param dag_file: ``__file__`` of the Dag. ``ray_jobs`` is beside its folder, or where ``ingest_jobs_dir`` says.
    :param pre_execute: called with the task's context before the task runs.
    :param only_for: a pipeline; where the form has chosen others, the task is skipped.
    """
    jobs = Path(dag_file).resolve().parent.parent / "ray_jobs"
    if only_for is not None:
        pre_execute = skip_unless(only_for)
    task = ScriptOperator(
        task_id=task_id,
        entrypoint=f"python {script}",
        arguments={
            "milvus-uri": "{{ milvus(conn).uri }}",
            "collection": f"{{{{ {variable('ingest_collection_prefix')} }}}}",
            **arguments,
        },
        working_dir=f"{{{{ {variable('ingest_jobs_dir', str(jobs))} }}}}",
        # The name of a secret, which the job's processes resolve; empty for the usual one.
        runtime_env={"env_vars": {"MILVUS_TOKEN_VARIABLE": "{{ milvus(conn).token_variable }}"}},
        exit_codes=EXIT_CODES,
        pool="ray",
        retries=3,
        retry_delay=timedelta(minutes=1),
        retry_exponential_backoff=True,
        max_retry_delay=timedelta(minutes=30),
        outlets=list(outlets),
        pre_execute=before_attempt(pre_execute) if outlets else pre_execute,
        post_execute=after_run if outlets else None,
        on_failure_callback=[leave_to_next_run, record_failure, leave_note_of_failure] if outlets else None,
    )
    task.pipeline = only_for
    return task
