"""The progress of a run: stages report counts to one small actor, and the driver prints a line every few seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ingest.common.waiting import SECONDS_BETWEEN_LINES
from ingest.ledger.work_list import WorkList
from ingest.stages.metrics import OUTCOMES, JobMetrics

Observe = Callable[[str, int, float], None]
"""`observe(stage, items, seconds)`: `items` more items went through `stage`, which took one process `seconds`."""


class ProgressCounts:
    """Items and busy seconds by stage, and the time of each stage's first report. See `SharedState`.

    Args:
        pipeline, stages: as for `JobMetrics`.
    """

    def __init__(self, pipeline: str, stages: Sequence[str]) -> None:
        self._metrics = JobMetrics(pipeline, stages)
        self._objects = dict.fromkeys(OUTCOMES, 0)
        self._tokens = 0
        self._stages: dict[str, dict[str, float]] = {}
        self._first: dict[str, float] = {}

    def add(self, stage: str, items: int, seconds: float, tokens: int) -> None:
        """Add to the counts of `stage`."""
        self._first.setdefault(stage, time.monotonic())
        entry = self._stages.setdefault(stage, {"seconds": 0.0, "items": 0})
        entry["items"] += items
        entry["seconds"] += seconds
        self._tokens += tokens

    def add_objects(self, ok: int, failed: int) -> None:
        """Add to the objects that are done."""
        self._objects["ok"] += ok
        self._objects["failed"] += failed

    def since_first(self, stage: str) -> float:
        """Seconds since the first report of `stage`; 0 if it never reported."""
        return time.monotonic() - self._first[stage] if stage in self._first else 0.0

    def get(self, total: int) -> dict[str, dict[str, float]]:
        """`items` and `seconds` by stage. As the driver asks every few seconds, they go to the metrics here.

        Args:
            total: the number of objects of the run, as far as it is known.
        """
        self._metrics.export(self._stages, self._objects, self._tokens, total)
        return self._stages


class ProgressReporter:
    """Sends counts from a stage to the actor. Nothing waits for an answer, so that a lost count fails no run."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def __call__(self, stage: str, items: int, seconds: float, tokens: int = 0) -> None:
        self._actor.add.remote(stage, items, seconds, tokens)

    def objects(self, ok: int, failed: int) -> None:
        """Count objects that are written or failed."""
        self._actor.add_objects.remote(ok, failed)


@contextmanager
def gathered(observe: Observe, clock: Callable[[], float] = time.monotonic) -> Iterator[Observe]:
    """Give a function that gathers counts, and hands the sums on every SECONDS_BETWEEN_LINES seconds and at the end.

    A message costs the actor 0.1 ms of CPU, and a hundred GPUs take thousands of objects a second. The function may be
    called from several threads.
    """
    lock = threading.Lock()
    sums: dict[str, tuple[int, float]] = {}
    sent = clock()

    def hand_on() -> None:
        for stage, (items, seconds) in sums.items():
            observe(stage, items, seconds)
        sums.clear()

    def add(stage: str, items: int, seconds: float) -> None:
        nonlocal sent
        with lock:
            before = sums.get(stage, (0, 0.0))
            sums[stage] = before[0] + items, before[1] + seconds
            if clock() - sent >= SECONDS_BETWEEN_LINES:
                hand_on()
                sent = clock()

    try:
        yield add
    finally:
        with lock:
            hand_on()


STAGE_PHRASES = {
    "caption": "captioned {} figures",
    "frames": "embedded {} frames",
    "ocr": "read {} lines by OCR",
    "transcribe": "transcribed {} s of sound",
}
"""The phrases for the counts of model stages other than `embed`."""


def progress_line(
    stages: dict[str, dict[str, float]], total: str, models: Sequence[str], unit: str, elapsed: float
) -> str:
    """One line about how far the run is, and how fast.

    Args:
        stages: items and seconds by stage.
        total: the number of objects of the run, as people read it.
        models: the names of the pipeline's stages with models.
        unit: the things that the stage `embed` counts.
        elapsed: seconds since the start.
    """

    def items(stage: str) -> int:
        return int(stages.get(stage, {}).get("items", 0))

    embedded = items("embed")
    rate = f" ({embedded / elapsed:.0f}/s)" if embedded > elapsed > 0 else ""
    reused = f" and reused {items('reuse')}" if items("reuse") else ""
    others = [words.format(items(stage)) for stage, words in STAGE_PHRASES.items() if stage in models]
    model = ", ".join([*others, f"embedded {embedded} {unit}{reused}{rate}"])
    if "load" not in stages:
        model = "the model is loading"
    return f"{elapsed:5.0f} s  read {items('read')}/{total} objects, {model}, written {items('write')} rows"


class ProgressPrinter:
    """Prints a `progress_line` every SECONDS_BETWEEN_LINES seconds, from a thread, during each of its `with` blocks.

    Args:
        work: the objects of the run, which may still be listed.
        clock: the time in seconds.

    Attributes:
        elapsed: seconds of all of its blocks, as the counts of the actor are those of all.
    """

    def __init__(
        self,
        actor: Any,
        work: WorkList,
        models: Sequence[str],
        unit: str,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._actor, self._work, self._models, self._unit, self._say = actor, work, models, unit, say
        self._clock = clock
        self._before = 0.0

    @property
    def elapsed(self) -> float:
        return self._before + self._clock() - self._began

    def __enter__(self) -> ProgressPrinter:
        self._began = self._clock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, args=[self._done], name="progress", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(timeout=SECONDS_BETWEEN_LINES)
        self._before = self.elapsed

    def _run(self, done: threading.Event) -> None:
        import ray

        while not done.wait(SECONDS_BETWEEN_LINES):
            try:
                stages = ray.get(self._actor.get.remote(self._work.count), timeout=SECONDS_BETWEEN_LINES)
            except ray.exceptions.RayError:
                continue  # the actor is busy, or the cluster is gone, which the run itself will report
            total = f"{self._work.count}{'' if self._work.complete else ' and more'}"
            self._say(progress_line(stages, total, self._models, self._unit, self.elapsed))
