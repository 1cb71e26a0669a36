"""The days of a month: how many objects of each are done and how many failed."""

from ingest.common.failures import Failure
from page_api import entry


def days(page, **parameters):
    found = page.get("/days", pipeline="pdfs", **parameters)
    return {day["day"]: (day["done"], day["failed"]) for day in found["days"]}


def test_the_days_of_a_month_are_counted(page):
    page.write(
        entry("s3://b/pdfs/2026-02-01/1.pdf"),
        entry("s3://b/pdfs/2026-02-01/2.pdf"),
        entry("s3://b/pdfs/2026-02-28/1.pdf", failure=Failure.EMPTY, message="empty"),
        entry("s3://b/pdfs/2026-02-28-old/1.pdf"),
        entry("s3://b/pdfs/2026-03-01/1.pdf"),
        entry("s3://b/images/2026-02-02/1.jpg", "images"),
    )
    found = days(page, year=2026, month=2)
    assert len(found) == 28
    assert {day: counts for day, counts in found.items() if any(counts)} == {
        "2026-02-01": (2, 0),
        "2026-02-28": (0, 1),
    }
    assert set(days(page, year=2024, month=2).values()) == {(0, 0)}
    assert len(days(page, year=2024, month=2)) == 29


def test_a_month_that_is_none_is_refused(page):
    assert page.status("/days", pipeline="pdfs", year=2026, month=13) == 422
    assert page.status("/days", pipeline="files", year=2026, month=1) == 422
