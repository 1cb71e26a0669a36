"""The documents of the Dags, as the Airflow UI shows them."""

from __future__ import annotations

from ray_ingest.settings import LOOKBACK_DAYS, model_settings


def daily_document(pipeline: str) -> str:
    """The common part of the documents of the daily Dags, in Markdown: schedule, advice for on call, Variables."""
    variables = [setting.variable for setting in model_settings(pipeline) if setting.site_default]
    names = ", ".join(f"`{name}`" for name in (*variables, f"ingest_resources_{pipeline}"))
    return f"""
Scheduled at 00:00 UTC for the day that has just ended, or as often as the Variable `ingest_schedule_{pipeline}` says
for the current day. Partition `2026-01-31` reads `<ingest_source_root>/{pipeline}/2026-01-31/`, and the
{LOOKBACK_DAYS} days before it (Variable `ingest_lookback_days`), for files that came late, were replaced or were
deleted.

* **A run failed.** The last lines of the task's log hold one sentence with the reason and the remedy. Exit code 4 (a
  store was down) and failures of Ray are retried; 2 (configuration) and 3 (too many bad
  or missing files) are not.
* **Files failed, and the cause is fixed:** trigger the Dag `retry_failed` with their prefix.
* **Run a day again:** clear its task. Unchanged files are skipped, so it costs little; nothing is doubled.
* **Run past days:** `airflow backfill create --dag-id ingest_{pipeline} --from-date 2026-01-01 --to-date 2026-01-31`
* **Which days are done?** Trigger the Dag `check_days`.
* **Run any prefix:** trigger with the param `source`.
* **Stop a run:** mark its task failed. Its Ray job is stopped; the next run completes its work.
* **Start other Dags:** name the outlet asset, with its URI, in their `schedule`. Runs that change no rows start none.
* **Look inside:** the button *Ray job* of the task; the report is the task's XCom and the `extra` of the asset event.

Site settings are Airflow Variables: `ingest_source_root`, `ingest_collection_prefix`, `ingest_jobs_dir`, {names}. The
connections `ray_default` and `milvus_default` name the cluster and the Milvus server. The jobs' credentials for the
object store and for Milvus belong in the environment of the Ray nodes, not here. The pool `ray` bounds how many jobs
the cluster gets at a time. They share it, and a job that finds no room waits until the others give way.
`airflow pools set ray 4 "Ray jobs at a time" --include-deferred`
"""
