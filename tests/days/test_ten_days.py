"""More than ten days on a fast clock, and everything dies once: then the collections equal the store, and the board.

    uv run pytest -n 0 -s -m chaos tests/days/test_ten_days.py

The schedule starts a run each minute, of the next day. It takes the three days before it too, and begins while that of
the day before may still be going on. What dies, dies while a run goes on; the last days are for what came too late.
"""

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from day_board import Board, assert_the_board_is_right, permanently_failed
from day_world import ROOT, DayWorld, day_world
from embedded.pdfs import make_pdf
from embedded.processes import poll

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]
DAYS = [str(date(2026, 3, 1) + timedelta(days=number)) for number in range(13)]
FILES = 5
BAD_FILES = 120
"""More than a report lists one by one."""
BAD_DAY = 6
FAULTS = ["triggerer", "embed", "driver", "milvus", "store", "parse", "scheduler", "ray", "marked"]


@pytest.fixture(scope="module")
def world(minilm_path: str, whisper_path: str, request: pytest.FixtureRequest) -> Iterator[DayWorld]:
    with day_world(minilm_path, is_monitored=True, plugin=Path(__file__).with_name("fast_clock.py")) as world:
        # The sweep that Airflow makes up for looks for videos too, and would fail without a model of speech.
        world.airflow.api("POST", "/variables", {"key": "ingest_whisper_model", "value": whisper_path})
        world.failed = lambda: request.session.testsfailed > 0
        yield world


@pytest.fixture(scope="module")
def board(world: DayWorld) -> Board | None:
    return Board(world.prometheus, time.time()) if world.prometheus else None


@pytest.fixture(scope="module")
def stack(world: DayWorld) -> Iterator[ExitStack]:
    """Ends what replaces killed parts."""
    with ExitStack() as stack:
        yield stack


def change(world: DayWorld, number: int, chance: random.Random) -> None:
    """A day's objects come; in earlier days some are late, replaced or deleted, also further back than runs look."""
    for name in range(FILES):
        world.put(f"{DAYS[number]}/{name}.pdf")
    if number == BAD_DAY:
        for name in range(BAD_FILES):
            world.put(f"{DAYS[number]}/bad-{name}.pdf", b"%%PDF-1.7 broken %d" % name)
    for back in (1, 2, 3, 5):
        if back <= number:
            day = DAYS[number - back]
            world.put(f"{day}/late-{number}.pdf")
            present = [name for name in world.contents if name.startswith(f"{ROOT}{day}/") and "bad" not in name]
            replaced, deleted = chance.sample(present, 2)
            world.put(replaced.removeprefix(ROOT))
            world.delete(deleted.removeprefix(ROOT))


def mend(world: DayWorld) -> None:
    """Somebody replaces the bad files."""
    for name in range(BAD_FILES):
        world.put(f"{DAYS[BAD_DAY]}/bad-{name}.pdf", make_pdf(f"Page {name} is mended."))


def start_clock(world: DayWorld) -> None:
    """Give the daily Dag its schedule, from the next minute but one on."""
    began = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=2)
    last = began + timedelta(minutes=len(DAYS) - 1)
    changes = {
        "from airflow.sdk import DAG": "from airflow.sdk import DAG\nfrom fast_clock import GeneratedDays",
        'daily_schedule("pdfs")': f'GeneratedDays(began="{began.isoformat()}", first="{DAYS[0]}")',
        "datetime(2026, 1, 1, tzinfo=UTC)": f'datetime.fromisoformat("{began.isoformat()}")',
        "catchup=False": f'catchup=True,\n    end_date=datetime.fromisoformat("{last.isoformat()}")',
    }
    file = world.airflow.dags_folder / "ingest_pdfs.py"
    source = file.read_text()
    for old, new in changes.items():
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    file.write_text(source)

    def is_known() -> bool:
        run_after = world.airflow.api("GET", "/dags/ingest_pdfs")["next_dagrun_run_after"]
        return bool(run_after) and datetime.fromisoformat(run_after) == began

    poll(is_known, 100, "Airflow knows the schedule", interval=1)
    world.airflow.unpause("ingest_pdfs")


def run_of(world: DayWorld, day: str) -> str:
    """The run of a day, once the schedule has started it."""

    def started() -> str | None:
        runs = world.airflow.runs("ingest_pdfs")
        return next((run["dag_run_id"] for run in runs if run["partition_key"] == day and run["start_date"]), None)

    return str(poll(started, 600, f"the schedule starts {day}", interval=0.5))


def strike(world: DayWorld, fault: str, run_id: str, folder: Path, stack: ExitStack) -> bool:
    """Kill something while the run goes on; False if the run ended before."""
    if fault in ("triggerer", "scheduler", "marked") and not world.wait_deferred(run_id):
        return False
    if fault in ("triggerer", "scheduler"):
        stack.callback(world.replace_component(fault, folder / fault).stop)
    elif fault in ("embed", "driver", "parse"):
        return world.kill_worker(fault, run_id)
    elif fault in ("milvus", "store", "ray"):
        if not world.wait_for("driver", run_id):
            return False
        platform = world.platform
        part = {"milvus": platform.milvus, "store": platform.object_store, "ray": platform.ray}[fault]
        part.kill()
        part.start()
    else:
        path = f"/dags/ingest_pdfs/dagRuns/{run_id}/taskInstances/ingest"
        world.airflow.api("PATCH", path, {"new_state": "failed"})
        assert world.end("ingest_pdfs", run_id).state == "failed"
        body = {"dag_run_id": run_id, "dry_run": False, "only_failed": True}
        world.airflow.api("POST", "/dags/ingest_pdfs/clearTaskInstances", body)
    return True


def test_ten_days_with_everything_that_can_go_wrong(
    world: DayWorld, board: Board | None, stack: ExitStack, tmp_path: Path
):
    chance = random.Random(20261126)
    faults = list(FAULTS)
    world.airflow.unpause("sweep")
    world.quiet("sweep")  # or its first run would do the work of the first days
    change(world, 0, chance)
    start_clock(world)
    for number, day in enumerate(DAYS):
        run_id = run_of(world, day)
        if number + 1 < len(DAYS):
            change(world, number + 1, chance)  # the next day's objects, and others under the hands of this run
        if number == BAD_DAY:
            bad = world.end("ingest_pdfs", run_id)
            if board:
                assert permanently_failed(world) == BAD_FILES
                board.assert_shows("Permanently failed objects", {"pdfs": BAD_FILES, "images": 0, "videos": 0})
            mend(world)
            print(f"{day}: {BAD_FILES} bad files", flush=True)
        elif faults and strike(world, faults[0], run_id, tmp_path, stack):
            print(f"{day}: {faults.pop(0)}", flush=True)
    assert faults == []
    world.quiet("ingest_pdfs")
    runs = world.airflow.runs("ingest_pdfs")
    assert [(run["run_type"], run["partition_key"]) for run in runs] == [("scheduled", day) for day in DAYS]
    failed = []
    for run in runs:
        ended = world.end("ingest_pdfs", run["dag_run_id"])
        counts = {count: ended.report.get(count) for count in ("listed", "added", "changed", "deleted", "failed")}
        groups = [(group["count"], group["error_type"]) for group in ended.report.get("failure_counts", ())]
        print(f"{run['partition_key']}: {ended.state} {counts} {groups}", flush=True)
        failed += [run["partition_key"]] if ended.state == "failed" else []
        assert len(ended.report["by_source"]) == 4
    # A run of the next day may have begun before somebody mended the files.
    assert failed in ([DAYS[BAD_DAY]], DAYS[BAD_DAY : BAD_DAY + 2])
    assert bad.report["failed"] + bad.report["failed_before"] >= BAD_FILES
    assert len(bad.report["failures"]) == min(100, bad.report["failed"])
    if board:
        assert board.alerts_so_far() >= {"IngestRunFailed"}

    before, _ = world.stored()
    dry = world.sweep(dry_run=True).report
    assert world.stored()[0] == before
    swept = world.sweep(max_deleted_fraction=1)
    assert [swept.report[count] for count in ("added", "changed", "deleted")] == [
        dry[count] for count in ("added", "changed", "deleted")
    ]
    world.assert_equal_to_the_store()
    after, _ = world.stored()
    rows = [sum(map(len, found.values())) for found in (before, after)]
    assert rows[1] - rows[0] == swept.report["rows_written"] - swept.report["rows_deleted"]
    again = world.sweep(dry_run=True).report
    assert again["unchanged"] == again["listed"] == len(world.contents)


def test_every_number_on_the_board_is_right_after_these_days(world: DayWorld, board: Board | None):
    if board is None:
        pytest.skip("no prometheus here (Debian's package of this name): the board's numbers were not computed")
    if len(world.airflow.runs("ingest_pdfs")) < len(DAYS):
        pytest.skip("the days did not go by: run the whole file")
    assert_the_board_is_right(world, board)
