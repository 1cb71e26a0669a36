"""The metrics of a running job, which each node of Ray exports for Prometheus, with `ray_` before their names.

They live in the actor that counts the progress, so that a job has one series of each, however many processes it has.
The driver's regular question after the progress exports them, so that they cost the objects nothing. They count from
the job's start on and yet are gauges: Ray exports the counters of ended processes for ever, but forgets a gauge two
export intervals after it was last set. What ended jobs have done is in their reports, of which Airflow makes metrics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

OUTCOMES = ("ok", "failed")


class JobMetrics:
    """The metrics of one job; to be made in a process of Ray.

    `ingest_objects_waiting` are the objects that are neither written nor failed yet, `ingest_objects` the others by
    outcome. `ingest_stage_items` and `ingest_stage_seconds` are those of the report's `stages`, and `ingest_tokens` are
    the tokens that the text model has read.

    Args:
        pipeline: its name, a tag of all metrics.
        stages: the names of stages that are 0 at first. Prometheus sees no rate in a first value, and a short job may
            have only one other.
    """

    def __init__(self, pipeline: str, stages: Iterable[str]) -> None:
        from ray.util.metrics import Gauge

        self._pipeline = {"pipeline": pipeline}
        self._waiting = Gauge("ingest_objects_waiting", "Objects that the job has still to do", ("pipeline",))
        self._objects = Gauge("ingest_objects", "Objects that the job has done", ("pipeline", "outcome"))
        self._items = Gauge("ingest_stage_items", "Items that left the stage", ("pipeline", "stage"))
        self._seconds = Gauge("ingest_stage_seconds", "Busy seconds of the stage's processes", ("pipeline", "stage"))
        self._tokens = Gauge("ingest_tokens", "Tokens that the text model has read", ("pipeline",))
        zero = {"items": 0, "seconds": 0.0}
        self.export(dict.fromkeys(stages, zero), dict.fromkeys(OUTCOMES, 0), tokens=0, total=0)

    def export(
        self, stages: Mapping[str, Mapping[str, float]], objects: Mapping[str, int], tokens: int, total: int
    ) -> None:
        """Set all metrics; to be called at least every ten seconds, Ray's export interval.

        Args:
            stages: items and seconds by stage.
            objects: the objects that are done, by outcome.
            tokens: the tokens that the text model has read.
            total: the number of objects of the run, as far as it is known.
        """
        for outcome in OUTCOMES:
            self._objects.set(objects[outcome], self._pipeline | {"outcome": outcome})
        for stage, done in stages.items():
            self._items.set(done["items"], self._pipeline | {"stage": stage})
            self._seconds.set(done["seconds"], self._pipeline | {"stage": stage})
        self._tokens.set(tokens, self._pipeline)
        # A write that Ray repeats counts its objects again.
        self._waiting.set(max(0, total - sum(objects.values())), self._pipeline)
