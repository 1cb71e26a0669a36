"""What the demo puts into the object store, and questions whose answers in it are known."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from embedded import pdfs
from embedded.images import PHOTOS, make_photos
from embedded.videos import FILMS, LECTURE, film, make_films

DAYS = pdfs.DAYS
"""Both have PDFs; the first has images and videos, too."""


@dataclass(frozen=True)
class Question:
    """A question and the place that answers it.

    kind: what is looked for, as `search.py --in` calls it and its JSON, where pages are `hits`.
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


def make_objects() -> Iterator[tuple[str, dict[str, bytes]]]:
    """Prefixes of a bucket with the files to put under each, by name."""
    for day in DAYS:
        yield f"pdfs/{day}/", pdfs.make_pdfs(day)
    yield f"images/{DAYS[0]}/", make_photos()
    yield f"videos/{DAYS[0]}/", make_films()


def counts() -> Counter[tuple[str, str]]:
    """How many files each pipeline has on each day, without making them."""
    found = Counter({("pdfs", day): len(list((pdfs.LIBRARY / day).glob("*.txt"))) for day in DAYS})
    found["images", DAYS[0]] = len(PHOTOS)
    found["videos", DAYS[0]] = len(FILMS)
    return found


def questions() -> tuple[Question, ...]:
    """Three of the pages, two of the images, one of what is said and one of what is seen in the videos."""
    pages = [pdfs.QUESTIONS[number] for number in (0, 6, 8)]
    photos = [photo for photo in PHOTOS if photo.file in ("cat.jpg", "coffee.jpg")]
    honey = next(sentence for sentence in LECTURE.sentences if "honey" in sentence.text)
    lecture = film("lecture.mp4")
    motorcycle = [scene.photo for scene in lecture.scenes].index("motorcycle.jpg")
    begins = lecture.scene_starts[motorcycle]
    return (
        *(Question(each.text, "pages", each.file, each.page, each.page) for each in pages),
        *(Question(photo.text, "images", photo.file) for photo in photos),
        Question("When is the honey taken from the hives?", "spoken", lecture.file, honey.start, honey.end),
        Question("a motorcycle", "frames", lecture.file, begins, begins + lecture.scenes[motorcycle].seconds),
    )


def describe(hit: Mapping[str, Any]) -> str:
    """Where a hit is: a page of a file, an image, or a moment of a video."""
    name = PurePosixPath(hit["source"]).name
    if "page" in hit:
        return f"{name}, page {hit['page']}"
    if "width" in hit:
        return f"{name}, {hit['width']} x {hit['height']} pixels"
    if "time" in hit:
        return f"{_clock(hit['time'])} in {name}, seen"
    return f"{_clock(hit['start'])} to {_clock(hit['end'])} in {name}, spoken"


def _place(hit: Mapping[str, Any]) -> tuple[float, float]:
    if "page" in hit:
        return hit["page"], hit["page"]
    if "time" in hit:
        return hit["time"], hit["time"]
    return hit["start"], hit["end"]


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
