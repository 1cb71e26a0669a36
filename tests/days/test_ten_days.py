"""Ten days on a fast clock, on which everything dies once: at the end the collections equal the store, and the board.

    uv run pytest -n 0 -s -m chaos tests/days/test_ten_days.py

Each day's run takes the three days before it too, and begins while that of the day before may still be going on.
"""

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path

import pytest

from day_board import Board, assert_the_board_is_right, permanently_failed
from day_world import ROOT, DayWorld, Ended, day_world
from embedded.pdfs import make_pdf

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]
DAYS = [str(date(2026, 3, 1) + timedelta(days=number)) for number in range(10)]
FILES = 5
BAD_FILES = 120
"""More than a report lists one by one."""
BAD_DAY = 6
FAULTS = ["none", "triggerer", "embed", "driver", "milvus", "store", "parse", "scheduler", "ray", "marked"]


@pytest.fixture(scope="module")
def world(minilm_path: str, whisper_path: str, request: pytest.FixtureRequest) -> Iterator[DayWorld]:
    with day_world(minilm_path, is_monitored=True) as world:
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
    if number == BAD_DAY + 1:  # somebody mends them
        for name in range(BAD_FILES):
            world.put(f"{DAYS[BAD_DAY]}/bad-{name}.pdf", make_pdf(f"Page {name} is mended."))
    for back in (1, 2, 3, 5):
        if back <= number:
            day = DAYS[number - back]
            world.put(f"{day}/late-{number}.pdf")
            present = [name for name in world.contents if name.startswith(f"{ROOT}{day}/") and "bad" not in name]
            replaced, deleted = chance.sample(present, 2)
            world.put(replaced.removeprefix(ROOT))
            world.delete(deleted.removeprefix(ROOT))


def strike(world: DayWorld, fault: str, run_id: str, folder: Path, stack: ExitStack) -> None:
    """Kill something while the run goes on."""
    if fault in ("triggerer", "scheduler"):
        world.wait_deferred(run_id)
        stack.callback(world.replace_component(fault, folder / fault).stop)
    elif fault in ("embed", "driver", "parse"):
        assert world.kill_worker(fault, run_id), f"the run ended before its {fault} was killed"
    elif fault in ("milvus", "store", "ray"):
        world.wait_for("driver", run_id)
        platform = world.platform
        part = {"milvus": platform.milvus, "store": platform.object_store, "ray": platform.ray}[fault]
        part.kill()
        part.start()
    elif fault == "marked":
        world.wait_deferred(run_id)
        path = f"/dags/ingest_pdfs/dagRuns/{run_id}/taskInstances/ingest"
        world.airflow.api("PATCH", path, {"new_state": "failed"})
        assert world.end("ingest_pdfs", run_id).state == "failed"
        body = {"dag_run_id": run_id, "dry_run": False, "only_failed": True}
        world.airflow.api("POST", "/dags/ingest_pdfs/clearTaskInstances", body)


def test_ten_days_with_everything_that_can_go_wrong(
    world: DayWorld, board: Board | None, stack: ExitStack, tmp_path: Path
):
    chance = random.Random(20261126)
    runs: list[str] = []
    ended: list[Ended] = []
    for dag_id in ("ingest_pdfs", "sweep"):
        world.airflow.unpause(dag_id)
    for dag_id in ("ingest_pdfs", "sweep"):
        world.quiet(dag_id)  # or these runs would do the work of the first days
    for number, fault in enumerate(FAULTS):
        change(world, number, chance)
        runs.append(world.day(DAYS[number]))
        strike(world, fault, runs[-1], tmp_path, stack)
        print(f"{DAYS[number]}: {fault}", flush=True)
        if number == BAD_DAY:  # whose files are mended after its run, and not under its hands
            world.end("ingest_pdfs", runs[number])
        if number:
            ended.append(world.end("ingest_pdfs", runs[number - 1]))
        if number == BAD_DAY and board:
            assert permanently_failed(world) == BAD_FILES
            board.assert_shows("Permanently failed objects", {"pdfs": BAD_FILES, "images": 0, "videos": 0})
            board.assert_shows("Alerts", {"IngestRunFailed": 1})
    ended.append(world.end("ingest_pdfs", runs[-1]))
    for day, run in zip(DAYS, ended, strict=True):
        counts = {count: run.report.get(count) for count in ("listed", "added", "changed", "deleted", "failed")}
        groups = [(group["count"], group["error_type"]) for group in run.report.get("failure_counts", ())]
        print(f"{day}: {run.state} {counts} {groups}", flush=True)
    states = {day: run.state for day, run in zip(DAYS, ended, strict=True)}
    assert [day for day, state in states.items() if state != "success"] == [DAYS[BAD_DAY]]
    bad = ended[BAD_DAY].report
    assert [group["count"] for group in bad["failure_counts"] if group["error_type"] == "Damaged"] == [BAD_FILES]
    assert len(bad["failures"]) == 100

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
