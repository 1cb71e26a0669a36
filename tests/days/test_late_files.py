"""Files that came late, were replaced or deleted: Airflow's scheduler, real jobs, and the rows of a clean run."""

from datetime import UTC, datetime, timedelta

import pytest

from day_world import ROOT, DayWorld, Ended, day_world
from embedded.processes import poll

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1200)]
OLD = "2026-01-05"


@pytest.fixture(scope="module")
def world(minilm_path, request):
    with day_world(minilm_path, AIRFLOW_VAR_INGEST_SCHEDULE_PDFS="* * * * *") as world:
        world.failed = lambda: request.session.testsfailed > 0
        yield world


def next_scheduled(world: DayWorld, after: datetime) -> Ended:
    """The end of the first scheduled run that starts after this moment."""

    def started() -> str | None:
        for run in world.airflow.runs("ingest_pdfs", "scheduled"):
            if run["start_date"] and datetime.fromisoformat(run["start_date"]) > after:
                return str(run["dag_run_id"])
        return None

    return world.end("ingest_pdfs", poll(started, 180, "no scheduled run starts", interval=1))


def test_runs_of_every_minute_take_the_current_day_and_the_days_before_it(world: DayWorld):
    today, yesterday = (str(datetime.now(UTC).date() - timedelta(days=days)) for days in (0, 1))
    for name in ("a", "replaced", "deleted"):
        world.put(f"{yesterday}/{name}.pdf")
        world.put(f"{today}/{name}.pdf")
    world.airflow.unpause("ingest_pdfs")
    first = next_scheduled(world, datetime.min.replace(tzinfo=UTC))
    assert (first.state, first.report["added"]) == ("success", 6), first.log
    world.assert_equal_to_the_store()
    for day in (today, yesterday):
        world.put(f"{day}/late.pdf")
        world.put(f"{day}/replaced.pdf")
        world.delete(f"{day}/deleted.pdf")
    second = next_scheduled(world, datetime.now(UTC))
    world.airflow.api("PATCH", "/dags/ingest_pdfs", {"is_paused": True})
    world.quiet("ingest_pdfs")
    world.assert_equal_to_the_store()
    reports = [
        world.airflow.xcom("ingest_pdfs", run["dag_run_id"], "ingest") for run in world.airflow.runs("ingest_pdfs")
    ]
    assert [sum(report[count] for report in reports) for count in ("added", "changed", "deleted")] == [8, 2, 2], (
        f"{second.run_id} is one of several runs that share the work"
    )
    assert len(second.report["by_source"]) == 4


def test_a_sweep_makes_an_old_day_equal_to_the_store_and_its_dry_run_only_prints(world: DayWorld):
    world.airflow.unpause("sweep")
    world.quiet("sweep")
    for name in ("a", "replaced", "deleted"):
        world.put(f"{OLD}/{name}.pdf")
    assert world.sweep().report["added"] == 3
    world.assert_equal_to_the_store()
    world.put(f"{OLD}/late.pdf")
    world.put(f"{OLD}/replaced.pdf")
    world.delete(f"{OLD}/deleted.pdf")
    before = world.stored()
    dry = world.sweep(dry_run=True)
    found = {tuple(line.split()) for line in dry.log if f"/{OLD}/" in line and not line.startswith("REPORT ")}
    expected = {("new", "late"), ("changed", "replaced"), ("missing", "deleted")}
    assert found == {(change, f"s3://library/pdfs/{OLD}/{name}.pdf") for change, name in expected}
    assert [dry.report[count] for count in ("added", "changed", "deleted", "rows_written")] == [1, 1, 1, 0]
    assert world.stored() == before
    swept = world.sweep()
    assert [swept.report[count] for count in ("added", "changed", "deleted")] == [1, 1, 1]
    world.assert_equal_to_the_store()
    again = world.sweep().report
    assert again["unchanged"] == again["listed"] == len(world.contents)


def test_a_check_tells_the_state_of_each_day(world: DayWorld):
    days = ["2026-01-03", "2026-01-04", OLD, "2026-01-06"]
    world.put(f"{days[0]}/new.pdf")
    world.put(f"{days[3]}/new.pdf")
    world.airflow.unpause("check_days")
    form = {"first_day": days[0], "last_day": days[3], "pipelines": ["pdfs"]}
    run_id = world.airflow.trigger("check_days", form)["dag_run_id"]
    checked = world.end("check_days", run_id, "check_pdfs")
    assert checked.report["states"] == {
        "never ingested": [f"{ROOT}{days[0]}/", f"{ROOT}{days[3]}/"], "empty": [f"{ROOT}{days[1]}/"],
        "done": [f"{ROOT}{OLD}/"],
    }  # fmt: skip
    assert "2 never ingested, 1 empty, 1 done" in "\n".join(checked.log)
    for day in (days[0], days[3]):
        world.delete(f"{day}/new.pdf")
