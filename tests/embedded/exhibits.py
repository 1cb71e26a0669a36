"""The demo's files, how each of them is ingested, and questions whose answers in them are known."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from embedded import pdfs
from embedded.images import PHOTOS, make_photos
from embedded.videos import FILMS, LECTURE, film, make_films


class How(StrEnum):
    """The three ways to start a run."""

    SCHEDULE = "schedule"
    FORM = "form"
    BACKFILL = "backfill"


@dataclass(frozen=True)
class Batch:
    """The files under the prefix of one run: those of a pipeline and a day (YYYY-MM-DD).

    The run by form comes after that of the schedule for the same prefix, and finds its files unchanged.
    """

    pipeline: str
    how: How
    day: str
    files: tuple[str, ...]

    @property
    def prefix(self) -> str:
        return f"{self.pipeline}/{self.day}/"

    @property
    def name(self) -> str:
        return f"{self.pipeline} {self.day} ({self.how})"

    @property
    def is_repeated(self) -> bool:
        return self.how is How.FORM


@dataclass(frozen=True)
class Question:
    """A question and the place that answers it.

    kind: where the answer is, as `search.py --in` calls it; its JSON has pages under `hits`.
    first, last: pages counted from 1, or seconds; None for an image.
    """

    text: str
    kind: str
    file: str
    first: float | None = None
    last: float | None = None

    def is_answered_by(self, hit: Mapping[str, Any]) -> bool:
        """Whether a hit is, or overlaps, the place."""
        if PurePosixPath(hit["source"]).name != self.file:
            return False
        if self.first is None or self.last is None:
            return True
        first, last = _place(hit)
        return first <= self.last and self.first <= last


def batches(yesterday: date) -> tuple[Batch, ...]:
    """All batches, in the order in which their runs start.

    yesterday: the day whose partition the schedule ingests today (UTC).
    """
    day, day_before = ((yesterday - timedelta(days=days)).isoformat() for days in (0, 1))
    first, second = (tuple(f"{name}.pdf" for name in pdfs.names(volume)) for volume in pdfs.DAYS)
    return (
        Batch("pdfs", How.SCHEDULE, day, first),
        Batch("images", How.SCHEDULE, day, tuple(photo.file for photo in PHOTOS)),
        Batch("videos", How.SCHEDULE, day, tuple(each.file for each in FILMS)),
        Batch("pdfs", How.BACKFILL, day_before, second),
        Batch("pdfs", How.FORM, day, first),
    )


def make_files() -> dict[str, bytes]:
    """The files of all batches, by name."""
    made = {**make_photos(), **make_films()}
    for volume in pdfs.DAYS:
        made |= pdfs.make_pdfs(volume)
    return made


def questions() -> tuple[Question, ...]:
    """Four of the pages, two of the images, one of the speech and one of the pictures in the videos.

    That in Chinese has hardly a word of its page: `How are tea leaves to be put away so that they do not spoil?`
    """
    pages = [pdfs.QUESTIONS[number] for number in (0, 6, 8)]
    photos = [photo for photo in PHOTOS if photo.file in ("cat.jpg", "coffee.jpg")]
    honey = next(sentence for sentence in LECTURE.sentences if "honey" in sentence.text)
    lecture = film("lecture.mp4")
    motorcycle = [scene.photo for scene in lecture.scenes].index("motorcycle.jpg")
    begins = lecture.scene_starts[motorcycle]
    return (
        *(Question(each.text, "pages", each.file, each.page, each.page) for each in pages),
        Question("买来的茶怎样放才不会坏？", "pages", "tea-harvest.pdf", 3, 3),
        *(Question(photo.text, "images", photo.file) for photo in photos),
        Question("When is the honey taken from the hives?", "spoken", lecture.file, honey.start, honey.end),
        Question("a motorcycle", "frames", lecture.file, begins, begins + lecture.scenes[motorcycle].seconds),
    )


def describe(hit: Mapping[str, Any]) -> str:
    """The place of a hit: a page of a file, an image, or a moment of a video."""
    name = PurePosixPath(hit["source"]).name
    if "page" in hit:
        return f"{name}, page {hit['page']}"
    if "width" in hit:
        return f"{name}, {hit['width']} x {hit['height']} pixels"
    if "time" in hit:
        return f"{name}, seen at {_clock(hit['time'])}"
    return f"{name}, spoken from {_clock(hit['start'])} to {_clock(hit['end'])}"


def _place(hit: Mapping[str, Any]) -> tuple[float, float]:
    if "page" in hit:
        return hit["page"], hit["page"]
    if "time" in hit:
        return hit["time"], hit["time"]
    return hit["start"], hit["end"]


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
