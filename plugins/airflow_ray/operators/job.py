"""``RayOperator``: one Airflow task, one Ray job.

The order of steps matters. The id is known before the submission, so that a worker that dies at any moment leaves a job
that the next attempt finds. The link is pushed right after the submission, so that it works while the job runs. The
job's end is read from Ray alone, never from its log.

Nothing heavy is imported with this module: parsing a Dag must not pay for an HTTP client. The module is longer than 300
lines because an operator is one class, of which a third declares and documents its parameters.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_ray.exceptions import RayJobError, no_job_error
from airflow_ray.job_ids import ON_KILL_KEY, Attempt, attempt_of
from airflow_ray.job_record import JobRecord, job_before_clear
from airflow_ray.links.job import RayJobLink, job_url
from airflow_ray.operators.base import RayBaseOperator
from airflow_ray.provider_info import DEFAULT_CONN_ID
from ray_jobs_api.failures import FailureReason, RayApiError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from ray_jobs_api.client import RayJobsClient
    from ray_jobs_api.job_outcome import JobOutcome
    from ray_jobs_api.placement import Placement

Seconds = timedelta | float


class RayOperator(RayBaseOperator):
    """Run a command on a Ray cluster as a Ray job and wait for it.

    The result (XCom ``return_value``, and ``extra`` of the outlets' asset events) is the JSON object of the last line
    ``REPORT {...}`` of the job's output, or None. XCom ``submission_id`` holds the job's id while it runs.

    :param entrypoint: shell command, or a list of words that is quoted for the shell.
    :param arguments: flags behind the entrypoint, quoted; a value that renders to an empty string, ``None`` or
        ``False`` omits its flag and ``True`` gives a bare flag.
    :param working_dir: a local folder or a zip of one, uploaded once per content, or a remote address for Ray.
    :param runtime_env: Ray's runtime environment. Every client of the cluster can read it: no secrets.
    :param conn_id: connection of type ``ray``.
    :param deferrable: wait in the triggerer (the default) or in the worker.
    :param entrypoint_num_cpus: CPUs for the driver. With any of these five set, it may run off the head node.
    :param entrypoint_num_gpus: GPUs for the driver.
    :param entrypoint_memory: memory for the driver, in bytes.
    :param entrypoint_resources: custom resources for the driver.
    :param entrypoint_label_selector: labels of the node for the driver.
    :param metadata: strings shown with the job in Ray; the dag, run, task, map index and try are added.
    :param poll_interval: the longest delay between two requests for the job's state, in seconds.
    :param on_kill: ``"stop"`` stops the job when the task is killed, cleared or marked; ``"detach"`` lets it run.
    :param job_timeout: stop the job this long after its submission. A retry that finds the job keeps the deadline.
    :param pending_timeout: give up a job that is still pending after this time.
    :param unreachable_timeout: fail when Ray has not answered for this long, at the submission or later.
    :param stream_logs: show the job's log in the task's log.
    :param exit_codes: the meaning of the driver's exit codes, as a mapping to names of ``FailureReason``, such as
        ``{2: "configuration"}``. By default no code has one: every exit but 0 is a ``job_error``, or ``killed`` by a
        signal, and is retried as ``retries`` says.

    ``execution_timeout`` bounds the whole task, including the deferred time, and stops the job.
    """

    template_fields: Sequence[str] = (
        "entrypoint",
        "arguments",
        "working_dir",
        "runtime_env",
        "conn_id",
        "entrypoint_num_cpus",
        "entrypoint_num_gpus",
        "entrypoint_memory",
        "entrypoint_resources",
        "entrypoint_label_selector",
        "metadata",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "entrypoint": "bash",
        "arguments": "json",
        "runtime_env": "json",
        "metadata": "json",
    }
    operator_extra_links = (RayJobLink(),)
    ui_color = "#d6eefc"
    #: Seconds after the deadline at which Airflow's own timeout fires: the trigger needs them to stop the job.
    deferral_grace = 120.0

    def __init__(
        self,
        *,
        entrypoint: str | list[str],
        arguments: Mapping[str, Any] | None = None,
        working_dir: str | None = None,
        runtime_env: Mapping[str, Any] | None = None,
        conn_id: str = DEFAULT_CONN_ID,
        deferrable: bool = True,
        entrypoint_num_cpus: float | str | None = None,
        entrypoint_num_gpus: float | str | None = None,
        entrypoint_memory: int | str | None = None,
        entrypoint_resources: Mapping[str, float | str] | None = None,
        entrypoint_label_selector: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
        poll_interval: Seconds = 5.0,
        on_kill: Literal["stop", "detach"] = "stop",
        job_timeout: Seconds | None = None,
        pending_timeout: Seconds | None = None,
        unreachable_timeout: Seconds = 300.0,
        stream_logs: bool = True,
        exit_codes: Mapping[int, FailureReason | str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(conn_id=conn_id, on_kill=on_kill, **kwargs)
        self.entrypoint = entrypoint
        self.arguments = arguments
        self.working_dir = working_dir
        self.runtime_env = runtime_env
        self.deferrable = deferrable
        self.entrypoint_num_cpus = entrypoint_num_cpus
        self.entrypoint_num_gpus = entrypoint_num_gpus
        self.entrypoint_memory = entrypoint_memory
        self.entrypoint_resources = entrypoint_resources
        self.entrypoint_label_selector = entrypoint_label_selector
        self.metadata = metadata
        self.poll_interval = _seconds(poll_interval) or 5.0
        self.job_timeout = _seconds(job_timeout)
        self.pending_timeout = _seconds(pending_timeout)
        self.unreachable_timeout = _seconds(unreachable_timeout) or 0.0
        self.stream_logs = stream_logs
        self.exit_codes = {int(code): FailureReason(reason).value for code, reason in (exit_codes or {}).items()}

    def execute(self, context: Context) -> Any:
        """Place the job and wait for it, here or in the triggerer."""
        from airflow.sdk.exceptions import AirflowTaskTimeout

        deadline = None
        if self.execution_timeout is not None:
            deadline = context["ti"].start_date.timestamp() + self.execution_timeout.total_seconds()
        try:
            return self._start(context, deadline, adopt=True)
        except AirflowTaskTimeout:  # raised by a signal, in the middle of whatever this process does
            return self._time_out(context)

    def resume(self, context: Context, event: dict[str, Any], attached: bool, deadline: float | None) -> Any:
        """Continue after the trigger's event: the job has ended, or could not be watched to its end."""
        from ray_jobs_api.job_outcome import JobOutcome

        outcome = JobOutcome(**event)
        if JobRecord(context).submission_id not in (None, outcome.submission_id):
            # SQLite gives the id of a deleted trigger to the next one, and Airflow knows triggers by their ids.
            self.log.info("Ray job %s is that of an earlier try; watching this one's.", outcome.submission_id)
            return self._start(context, deadline, adopt=True)
        self._connect(outcome.submission_id)
        return self._finish(context, outcome, attached=attached, deadline=deadline)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """As in the base class; a trigger that failed or timed out does not leave its job behind."""
        from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (TaskDeferralError, TaskDeferralTimeout) as error:
            # A trigger that failed says nothing about the job: the next try, if there is one, finds the job again.
            last_try = context["ti"].try_number > (context["ti"].max_tries or 0)
            if not isinstance(error, TaskDeferralTimeout) and not last_try:
                raise
            if (submission_id := JobRecord(context).submission_id) is not None:
                self._connect(submission_id)
                self.on_kill()
            raise

    def _time_out(self, context: Context) -> Any:
        """Stop the job and wait until it has stopped, as the trigger does at its deadline."""
        from ray_jobs_api.placement import Placement

        if self._submission_id is None:
            sentence = "The task ran into its execution_timeout before it had a job."
            raise self._logged(no_job_error(sentence, FailureReason.TIMEOUT)) from None
        self.stream_logs = False  # its log was shown so far, and would be shown again from the start
        outcome = self._watch(Placement(self._submission_id, attached=False, session=""), deadline=0.0)
        if outcome.status == "STOPPED":  # perhaps by the watch that the signal interrupted: it has the same deadline
            outcome.limit = "deadline"
        return self._finish(context, outcome, attached=False, deadline=0.0)

    def _start(self, context: Context, deadline: float | None, *, adopt: bool) -> Any:
        from ray_jobs_api.job_request import command_line, job_request
        from ray_jobs_api.log_lines import shorten_line
        from ray_jobs_api.placement import place
        from ray_jobs_api.runtime_env import carry_command, resolve_code

        ti = context["ti"]
        settings = self._connect(None)
        attempt = attempt_of(context, self.retries or 0, settings.job_prefix)
        try:
            command = command_line(self.entrypoint, self.arguments)
            entrypoint, packages, runtime_env = carry_command(
                command, *resolve_code(self.working_dir, self.runtime_env or {}, command=command)
            )
            request = job_request(
                entrypoint=entrypoint,
                runtime_env=runtime_env,
                metadata={**(self.metadata or {}), **attempt.metadata, ON_KILL_KEY: self.on_kill_action},
                num_cpus=self.entrypoint_num_cpus,
                num_gpus=self.entrypoint_num_gpus,
                memory=self.entrypoint_memory,
                resources=self.entrypoint_resources,
                label_selector=self.entrypoint_label_selector,
            )
        except (ValueError, OSError) as error:
            raise self._logged(no_job_error(str(error), FailureReason.CONFIGURATION)) from None
        for name in [name for package in packages for name in package.skipped]:
            self.log.warning("%r is a link to nothing or no file, and is not uploaded.", name)
        record = JobRecord(context)
        jobs = record.earlier_jobs(attempt, adopt=adopt, stop_superseded=self.on_kill_action == "stop")

        def on_submit(submission_id: str) -> None:
            if self._killed:  # while packages were uploaded
                raise RayApiError("The task was killed before it submitted its job.", FailureReason.STOPPED)
            record.submitting(attempt, submission_id)
            self._submission_id = submission_id  # a kill of this process finds the id to stop from here on
            self.log.info("Submitting Ray job %s: %s", submission_id, shorten_line(command, len(command)))

        async def put(client: RayJobsClient) -> Placement:
            return await place(
                client,
                attempt.submission_id,
                request,
                packages=packages,
                earlier=jobs.earlier,
                in_doubt=jobs.in_doubt,
                superseded=await job_before_clear(client, attempt) if jobs.is_forgotten else jobs.superseded,
                on_submit=on_submit,
            )

        placement = self._call(put, retry_seconds=self.unreachable_timeout)
        record.placed(attempt, placement.submission_id)
        self._submission_id = placement.submission_id
        self.job_url = job_url(settings.dashboard_url, placement.submission_id)
        ti.xcom_push(key=RayJobLink().xcom_key, value=self.job_url)
        ti.xcom_push(key="submission_id", value=placement.submission_id)
        if placement.attached:
            self.log.info("Found Ray job %s of an earlier attempt; watching it.", placement.submission_id)
        self.log.info("Ray dashboard: %s", self.job_url)
        # A worker hears of the button only with its next heartbeat, and a task that is deferred before that never does:
        # Airflow refuses the deferral, and nobody would watch the job.
        if self._killed or (self.deferrable and not _is_wanted(attempt)):
            self.on_kill()
        if self.deferrable and not self._killed:
            self._defer(ti, attempt, placement, deadline)
        outcome = self._watch(placement, deadline)
        return self._finish(context, outcome, attached=_is_adopted(attempt, placement), deadline=deadline)

    def _defer(self, ti: Any, attempt: Attempt, placement: Placement, deadline: float | None) -> None:
        from airflow_ray.supervisor import LOG_KEY
        from airflow_ray.triggers.job import RayJobTrigger

        if self.stream_logs:
            ti.xcom_push(key=LOG_KEY, value={})
        remaining = None if deadline is None else max(0.0, deadline - time.time()) + self.deferral_grace
        self.defer(
            trigger=RayJobTrigger(
                conn_id=self.conn_id,
                submission_id=placement.submission_id,
                task_key=[attempt.dag_id, attempt.run_id, attempt.task_id, attempt.map_index],
                limits=self._limits(deadline),
                poll_interval=self.poll_interval,
                stream_logs=self.stream_logs,
                stop_on_kill=self.on_kill_action == "stop",
                session=placement.session,
            ),
            method_name="resume",
            kwargs={"attached": _is_adopted(attempt, placement), "deadline": deadline},
            timeout=None if remaining is None else timedelta(seconds=remaining),
        )

    def _watch(self, placement: Placement, deadline: float | None) -> JobOutcome:
        from ray_jobs_api.watch import JobLimits, JobWatch

        async def watch(client: RayJobsClient) -> JobOutcome:
            return await JobWatch(
                client,
                placement.submission_id,
                limits=JobLimits(**self._limits(deadline)),
                emit=lambda line: self.log.info("%s", line),
                interval=self.poll_interval,
                stream_logs=self.stream_logs,
                session=placement.session,
            ).run()

        return self._call(watch)

    def _finish(self, context: Context, outcome: JobOutcome, *, attached: bool, deadline: float | None) -> Any:
        from airflow_ray.job_failure import job_failure
        from ray_jobs_api.job_outcome import complete_output

        if outcome.status == "STOPPED" and attached and outcome.limit is None and not self._killed:
            # An earlier attempt was killed, and its job was still stopping when this attempt found it.
            self.log.info("The job of the earlier attempt was being stopped; submitting this attempt's own.")
            return self._start(context, deadline, adopt=False)
        if not outcome.log_complete and outcome.api_error is None:
            outcome = self._call(lambda client: complete_output(client, outcome))
        if outcome.report_problem is not None:
            self.log.warning("Ray job %s: %s", outcome.submission_id, outcome.report_problem)
        if outcome.status == "SUCCEEDED":
            self.log.info("Ray job %s succeeded.", outcome.submission_id)
            if outcome.report:
                for outlet in self.outlets:
                    context["outlet_events"][outlet].extra.update(outcome.report)
            return outcome.report
        if self._killed and outcome.status == "STOPPED":
            sentence = f"Ray job {outcome.submission_id} was stopped ({FailureReason.STOPPED}): Airflow ended its task."
            raise self._logged(RayJobError(sentence, FailureReason.STOPPED))
        if outcome.tail:
            self.log.error("Last lines of the log of Ray job %s:\n%s", outcome.submission_id, "\n".join(outcome.tail))
        if outcome.exit_code is None and "\n" in outcome.message:  # a job that never started has no log
            self.log.error("What Ray says about job %s:\n%s", outcome.submission_id, outcome.message)
        if outcome.limit is not None:
            JobRecord(context).give_up()
        exit_codes = {code: FailureReason(name) for code, name in self.exit_codes.items()}
        limits = {**self._limits(deadline), "deadline": _seconds(self.execution_timeout)}
        raise self._logged(job_failure(outcome, exit_codes, limits))

    def _limits(self, deadline: float | None) -> dict[str, Any]:
        """The fields of ``JobLimits``."""
        return {
            "deadline": deadline,
            "job_timeout": self.job_timeout,
            "pending_timeout": self.pending_timeout,
            "unreachable_timeout": self.unreachable_timeout,
        }


def _is_wanted(attempt: Attempt) -> bool:
    """Whether the task still is to run: nobody has marked or cleared it, as far as Airflow tells."""
    from airflow_ray.supervisor import TaskKey

    state = TaskKey(attempt.dag_id, attempt.run_id, attempt.task_id, attempt.map_index).state_now()
    return state in ("running", "unknown")


def _is_adopted(attempt: Attempt, placement: Placement) -> bool:
    """Whether the job was submitted by an earlier attempt."""
    return placement.attached and placement.submission_id != attempt.submission_id


def _seconds(value: Seconds | None) -> float | None:
    return value.total_seconds() if isinstance(value, timedelta) else value
