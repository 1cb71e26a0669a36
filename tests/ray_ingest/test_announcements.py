"""The asset events of a task: which runs have some, for which partitions, and the event without one that follows."""

from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.execution_time.context import OutletEventAccessors

from airflow_ray.job_record import JobRecord
from ray_ingest import listener, unannounced
from ray_ingest.announcements import announce, before_attempt, leave_to_next_run, partition_key
from ray_ingest.assets import collection_asset
from ray_ingest.job_scripts import COLLECTIONS
from ray_ingest.plugin import RayIngestPlugin

DOCUMENTS = collection_asset("documents")
DAY = "s3://bucket/pdfs/2026-01-31/"


class Store(dict[str, Any]):
    set = dict.__setitem__


class Task:
    """A task instance over its tries."""

    def __init__(self, partition: str | None = None) -> None:
        self.partition = partition
        self.try_number, self.max_tries = 0, 3
        self.task_state, self.asset_state = Store(), Store()
        self.left: list[str] = []
        self.has_succeeded = False
        self.started = datetime(2026, 3, 1, tzinfo=UTC)
        self.arguments: dict[str, Any] = {"source": DAY}

    def fails(self, has_job: bool = True) -> None:
        self.try_number += 1
        before_attempt(None)(self.context())
        if has_job:
            JobRecord(self.context()).placed(SimpleNamespace(epoch=0), "job")

    def fails_for_good(self, report: dict[str, Any] | None, has_job: bool = True) -> None:
        self.fails(has_job)
        leave_to_next_run({**self.context(), "exception": SimpleNamespace(report=report)})
        self.run_ends()

    def run_ends(self) -> list[str]:
        """As the scheduler does, which returns what it announces; ``test_unannounced`` has the real one."""
        of_asset = self.asset_state.get(unannounced.STATE_KEY, [])
        self.asset_state[unannounced.STATE_KEY] = [] if self.has_succeeded else sorted({*of_asset, *self.left})
        self.left = []
        return list(of_asset) if self.has_succeeded else []

    def succeeds(self, report: dict[str, Any] | None) -> list[str] | None:
        """The keys of its events; None where it has none."""
        self.fails()
        context = self.context()
        before_attempt(None)(context)  # it was deferred
        announce(context, report)
        own = set(context["outlet_events"][DOCUMENTS].partition_keys)
        assert context["task"].outlets == ([DOCUMENTS] if own else [])
        if own:
            assert set(context["outlet_events"][DOCUMENTS].extra["partitions"]) == own
        return sorted({*own, *self.run_ends()}) or None

    def push(self, key: str, value: Any) -> None:
        assert (key, value["asset"]) == (unannounced.XCOM_KEY, "documents")
        self.left, self.has_succeeded = value["partitions"], "announced" in value

    def context(self) -> dict[str, Any]:
        return {
            "ti": SimpleNamespace(
                try_number=self.try_number, max_tries=self.max_tries, xcom_push=self.push, start_date=self.started
            ),
            "task": SimpleNamespace(outlets=[DOCUMENTS], arguments=self.arguments, retries=3),
            "dag_run": SimpleNamespace(partition_key=self.partition, run_id="manual__1"),
            "task_state_store": self.task_state,
            "asset_state_store": {DOCUMENTS: self.asset_state},
            "outlet_events": OutletEventAccessors(),
        }


def report(written: int = 0, deleted: int = 0, **more: Any) -> dict[str, Any]:
    return {"source": DAY, "rows_written": written, "rows_deleted": deleted, **more}


@pytest.mark.parametrize("counts", [report(written=1), report(deleted=1), {"source": DAY}])
def test_changes_are_announced_under_their_day(counts: dict[str, Any]):
    assert Task("2026-01-31").succeeds(counts) == ["2026-01-31"]
    assert Task().succeeds(counts) == ["2026-01-31"]


@pytest.mark.parametrize("counts", [report(), report(dry_run=True), {"dry_run": True}])
def test_a_run_without_changes_has_no_events(counts: dict[str, Any]):
    assert Task("2026-01-31").succeeds(counts) is None


def test_a_success_after_a_failure_has_events_once():
    task = Task("2026-01-31")
    task.fails()
    task.fails()
    assert task.succeeds(report()) == ["2026-01-31"]
    assert task.succeeds(report()) is None  # cleared
    task.fails()
    assert task.succeeds(report(dry_run=True)) is None


def test_a_cleared_task_whose_state_airflow_has_discarded_has_events_once():
    """As Airflow 3.4 does it: which tries may have written rows is not known then."""
    task = Task("2026-01-31")
    task.fails()
    task.task_state.clear()
    task.max_tries += task.try_number
    assert task.succeeds(report()) == ["2026-01-31"]
    assert task.succeeds(report()) is None


def test_the_changes_of_a_run_that_failed_for_good_are_announced_by_the_next_success_of_any_run():
    bad, unchanged, good = Task("2026-01-31"), Task("2026-02-01"), Task("2026-02-02")
    unchanged.asset_state = good.asset_state = bad.asset_state
    bad.fails_for_good(report(written=1))
    bad.fails_for_good(report(written=1, source="s3://bucket/pdfs/2026-01-30/"))
    assert unchanged.succeeds(report(dry_run=True)) is None
    assert good.succeeds(report(written=1, source="s3://bucket/pdfs/2026-02-02/")) == [
        "2026-01-30",
        "2026-01-31",
        "2026-02-02",
    ]
    assert unchanged.succeeds(report()) is None
    bad.fails_for_good(report())
    bad.fails_for_good(report(written=1, dry_run=True))
    assert unchanged.succeeds(report()) is None
    bad.fails_for_good(report(written=1))
    assert unchanged.succeeds(report()) == ["2026-01-31"]


def test_a_run_that_failed_before_it_had_a_job_has_changed_nothing():
    bad, other = Task("2026-01-31"), Task("2026-02-01")
    other.asset_state = bad.asset_state
    bad.fails_for_good(None, has_job=False)
    assert other.succeeds(report()) is None


def test_a_run_that_ends_without_a_report_may_have_changed_all_that_it_took():
    bad, other = Task("2026-01-31"), Task("2026-02-01")
    other.asset_state = bad.asset_state
    bad.arguments = {"source": [DAY, "s3://bucket/pdfs/2026-01-30/"]}
    bad.fails_for_good(None)
    assert other.succeeds(report()) == ["2026-01-30", "2026-01-31"]
    bad.fails()  # somebody marks it, so that no code of it runs
    bad.run_ends()
    assert other.succeeds(report()) == ["2026-01-30", "2026-01-31"]
    bad.arguments["dry-run"] = "True"
    bad.fails()
    bad.run_ends()
    assert other.succeeds(report()) is None


def test_a_retry_announces_what_the_failed_try_may_have_changed_beside_its_own_changes():
    days = {f"s3://b/pdfs/2026-01-{day}/": {"added": 0, "changed": 0, "deleted": 0} for day in (30, 31)}
    days["s3://b/pdfs/2026-01-31/"]["added"] = 2
    task = Task("2026-01-31")
    task.fails()
    assert task.succeeds(report(3, by_source=days)) == ["2026-01-30", "2026-01-31"]


def test_a_task_that_is_cleared_does_not_announce_again_what_another_run_has_announced():
    bad, other = Task("2026-01-31"), Task("2026-02-01")
    other.asset_state = bad.asset_state
    bad.fails_for_good(report(written=1))
    assert bad.succeeds(report()) == ["2026-01-31"]
    bad.fails_for_good(report(written=1))
    assert other.succeeds(report()) == ["2026-01-31"]
    assert bad.succeeds(report()) is None


def test_only_sources_with_changes_are_announced():
    days = {f"s3://b/pdfs/2026-01-{day}/": {"added": 0, "changed": 0, "deleted": 0} for day in (29, 30, 31)}
    days["s3://b/pdfs/2026-01-29/"]["deleted"] = 1
    days["s3://b/pdfs/2026-01-31/"]["added"] = 2
    assert Task("2026-01-31").succeeds(report(3, by_source=days)) == ["2026-01-29", "2026-01-31"]


def test_a_job_without_a_report_has_changed_the_runs_partition():
    assert Task("2026-01-31").succeeds(None) == ["2026-01-31"]
    assert Task().succeeds(None) == ["manual__1"]


def test_the_asset_keeps_the_essentials_of_its_last_run():
    task = Task()
    models = {"documents": "BAAI/bge-m3"}
    task.succeeds(report(1, fingerprint="f", models=models, failures=[{"source": DAY}]))
    assert task.asset_state["last_run"] == {
        "source": DAY, "fingerprint": "f", "models": models, "rows_written": 1, "rows_deleted": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "of_run", "key"),
    [
        (DAY, None, "2026-01-31"),
        ("s3://bucket/pdfs/2026-01-31/talks/", "2026-02-01", "2026-01-31"),
        ("s3://bucket/pdfs/2026-01-31T05/", "2026-01-31T05", "2026-01-31T05"),
        ("s3://bucket/pdfs/2026-", None, "s3://bucket/pdfs/2026-"),
        ("file:///data/", "2026-01-31", "file:///data/"),
    ],
)
def test_the_partition_of_a_prefix(source: str, of_run: str | None, key: str):
    assert partition_key(source, of_run) == key


def test_the_key_of_a_long_prefix_fits_and_is_its_own():
    keys = {partition_key(f"s3://bucket/{'x' * 300}{end}/", None) for end in "ab"}
    assert {len(key) for key in keys} == {250}
    assert len(keys) == 2


def test_a_check_before_the_task_comes_first():
    def check(context: Any) -> None:
        raise RuntimeError("not this one")

    task = Task()
    with pytest.raises(RuntimeError, match="not this one"):
        before_attempt(check)(task.context())
    assert task.task_state == {}


def test_the_check_of_a_task_that_was_deferred_is_not_repeated():
    task, checked = Task(), []
    for _ in range(2):
        before_attempt(checked.append)(task.context())
    assert len(checked) == 1


def test_each_collection_has_an_asset_with_its_name_and_a_description():
    for collection in (collection for collections in COLLECTIONS.values() for collection in collections):
        asset = collection_asset(collection)
        assert (asset.name, asset.uri, asset.group) == (collection, f"milvus://ray-ingest/{collection}", "milvus")
        assert asset.extra["description"]


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The events that the listener registers."""
    events: list[dict[str, Any]] = []
    monkeypatch.setattr(unannounced, "take", lambda session, asset, keys: events.append({"taken": (asset, keys)}))
    monkeypatch.setattr("airflow.utils.session.create_session", lambda scoped: nullcontext("the session"))
    monkeypatch.setattr(
        "airflow.assets.manager.asset_manager",
        SimpleNamespace(register_asset_change=lambda **event: events.append(event)),
    )
    return events


def emitted(
    key: str | None, asset: Asset = DOCUMENTS, source_dag_id: str | None = "d", **extra: Any
) -> SimpleNamespace:
    return SimpleNamespace(
        asset=asset, partition_key=key, extra=extra, source_dag_id=source_dag_id, source_run_id="r", source_task_id="t"
    )


def test_an_event_without_a_key_follows_those_of_a_task_once(registered: list[dict[str, Any]]):
    assert listener in RayIngestPlugin.listeners
    for key in ("2026-01-30", "2026-01-31"):
        listener.on_asset_event_emitted(emitted(key, partitions=["2026-01-30", "2026-01-31"]))
    taken, event = registered
    assert taken == {"taken": ("documents", ["2026-01-30", "2026-01-31"])}
    assert event == {
        "asset": DOCUMENTS,
        "extra": {
            "partitions": ["2026-01-30", "2026-01-31"],
            "source_dag_id": "d",
            "source_run_id": "r",
            "source_task_id": "t",
        },
        "session": "the session",
    }


def test_events_of_others_late_ones_and_those_without_a_key_stay_alone(registered: list[dict[str, Any]]):
    listener.on_asset_event_emitted(emitted(None))
    listener.on_asset_event_emitted(emitted("2026-01-31", source_dag_id=None, from_rest_api=True))
    listener.on_asset_event_emitted(emitted("2026-01-31", Asset("documents")))
    listener.on_asset_event_emitted(emitted("2026-01-31", **{unannounced.LATE_KEY: True}))
    assert registered == []


def test_the_latest_complete_day_is_in_the_state_of_the_asset():
    whole, limited = {"listed": 3, "added": 2, "unchanged": 1}, {"listed": 3, "added": 2}
    task = Task("2026-01-31")
    task.succeeds(limited)
    assert "last_complete_day" not in task.asset_state
    for partition in ("2026-01-31", "2026-01-30", "s3://bucket/x/", None):
        task.partition = partition
        task.succeeds(whole)
        assert task.asset_state["last_complete_day"] == "2026-01-31"
    task.partition = "2026-02-01"
    sources = {"s3://b/pdfs/2026-02-01/": {**whole, "to_retry": 1}, DAY: whole}
    removals = {**whole, "awaiting": {"removals": "3 of 4 are missing"}}
    for waits in ({**whole, "dry_run": True}, {**whole, "to_retry": 1}, {**whole, "by_source": sources}, removals):
        task.succeeds(waits)
        assert task.asset_state["last_complete_day"] == "2026-01-31"
    of_the_day_before = {"s3://b/pdfs/2026-02-01/": {**whole, "failed": 1}, DAY: {**whole, "to_retry": 1}}
    task.succeeds({**whole, "listed": 6, "to_retry": 1, "by_source": of_the_day_before})
    assert task.asset_state["last_complete_day"] == "2026-02-01"
    task.partition = "2026-03-01"
    for day, latest in ((1, "2026-02-01"), (2, "2026-03-01")):  # more objects may come on the first of March
        task.started = datetime(2026, 3, day, tzinfo=UTC)
        task.succeeds(whole)
        assert task.asset_state["last_complete_day"] == latest
