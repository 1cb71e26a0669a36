"""The note of a run tells what its tasks did, in numbers."""

from types import SimpleNamespace
from typing import Any

import pytest

from ray_ingest import notes
from ray_ingest.notes import NOTE_KEY, leave_note, leave_note_of_failure, note_of
from ray_ingest.plugin import RayIngestPlugin

COUNTS = {"added": 3, "changed": 0, "deleted": 0, "unchanged": 12, "failed": 1, "rows_written": 40, "rows_deleted": 0}


@pytest.mark.parametrize(
    ("report", "note"),
    [
        (COUNTS, "3 added, 12 unchanged, 1 failed; 40 rows written"),
        ({**COUNTS, "dry_run": True}, "dry run; 3 added, 12 unchanged, 1 failed; 40 rows written"),
        ({"deleted": 2, "rows_deleted": 7}, "2 deleted; 7 rows deleted"),
        ({"unchanged": 14, "kept": 12, "dry_run": True}, "dry run; 14 unchanged, 12 missing and kept"),
        ({"added": 0, "unchanged": 0}, "nothing to do"),
    ],
)
def test_a_note_has_the_counts_that_are_not_0(report: dict[str, Any], note: str):
    assert note_of(report) == note


class Pushed(dict[str, Any]):
    def xcom_push(self, key: str, value: Any) -> None:
        self[key] = value


def test_a_task_leaves_its_line_also_when_it_fails_with_a_report():
    pushed = Pushed()
    leave_note({"ti": pushed}, None)
    leave_note_of_failure({"ti": pushed, "exception": ValueError("without a report")})
    assert pushed == {}
    leave_note_of_failure({"ti": pushed, "exception": SimpleNamespace(report=COUNTS)})
    assert pushed == {NOTE_KEY: note_of(COUNTS)}


def test_airflow_knows_the_listener():
    assert notes in RayIngestPlugin.listeners
