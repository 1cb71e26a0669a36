"""Failures by reason: counts, since when, an example, and the prefix of a retry; few are read, many are counted."""

import pytest

from ingest.common.failures import Failure, Stage
from page_api import HOUR, entry
from ray_ingest.page import failures
from ray_ingest.page.ledger import Objects, common_prefix


@pytest.fixture(scope="module")
def failed(open_page):
    page = open_page()
    locked = [
        entry(
            f"s3://b/pdfs/day-{day}/{day}.pdf", failure=Failure.ENCRYPTED, message=f"locked {day}", hours_ago=24 * day
        )
        for day in (1, 2, 3)
    ]
    forbidden = [
        entry(f"s3://b/pdfs/day-1/f{tries}.pdf", failure=Failure.FORBIDDEN, message="no", attempts=tries)
        for tries in (1, 3)
    ]
    page.write(
        *locked,
        *forbidden,
        entry("s3://b/pdfs/day-1/ok.pdf"),
        entry("s3://b/images/x.jpg", "images", failure=Failure.ENCRYPTED, message="locked, too"),
    )
    return page


@pytest.fixture(params=[16_384, 0], ids=["read", "counted"])
def found(request, monkeypatch, failed):
    monkeypatch.setattr(failures, "MAX_ROWS", request.param)
    # Another prefix for each, whose answers are kept apart.
    return failed.get("/failures", prefix="s3://b/" if request.param else "s3://b")


def test_the_reasons_are_counted_with_their_example(found):
    assert found["total"] == 6
    assert [(group["pipeline"], group["stage"], group["error_type"], group["count"]) for group in found["groups"]] == [
        ("pdfs", Stage.PARSE, "Encrypted", 3),
        ("pdfs", Stage.READ, "Forbidden", 2),
        ("images", Stage.PARSE, "Encrypted", 1),
    ]
    locked = found["groups"][0]
    assert locked["example"]["message"].startswith("locked ")
    assert locked["example"]["source"].startswith("s3://b/pdfs/day-")
    assert locked["under"] == "s3://b/pdfs/"


def test_it_is_said_since_when_a_reason_occurs(found):
    locked = found["groups"][0]
    assert abs(locked["latest"] - locked["since"] - 48 * HOUR) < 90_000


def test_it_is_said_how_many_runs_try_again(found):
    assert [group["to_retry"] for group in found["groups"]] == [0, 1, 0]


def test_a_prefix_a_pipeline_and_a_time_narrow_the_failures(failed):
    assert failed.get("/failures", prefix="s3://b/pdfs/day-1/")["total"] == 3
    assert failed.get("/failures", pipeline="images")["total"] == 1
    assert failed.get("/failures", hours=30)["total"] == 4
    assert len(failed.get("/objects", status="failed", hours=30)["objects"]) == 4
    assert failed.get("/failures", prefix='s3://b/" or source != "') == {"total": 0, "groups": []}


@pytest.mark.parametrize(
    ("sources", "prefix"),
    [
        ([], ""),
        (["s3://b/day/a.pdf"], "s3://b/day/"),
        (["s3://b/day-1/a.pdf", "s3://b/day-2/a.pdf"], "s3://b/"),
        (["s3://b/day/a.pdf", "s3://b/day/a.pdf.old"], "s3://b/day/"),
        (["s3://a/x", "s3://b/x"], "s3://"),
        (["file:///x", "s3://b/x"], ""),
    ],
)
def test_the_common_prefix_is_a_folder(sources, prefix):
    assert common_prefix(sources) == prefix


def test_no_choice_leaves_its_literals():
    chosen = Objects(pipeline='x" or "', name='a"%\\_')
    assert chosen.condition == ('(pipeline == "x\\" or \\"") and (source != "") and (source like "%a\\"___%")')
