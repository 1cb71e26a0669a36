"""The state that all processes of a run share, in one actor."""

from __future__ import annotations

from ingest.stages.gathering import StretchCollector
from ingest.stages.progress import ProgressCounts
from ingest.stages.vector_cache import VectorCache


class SharedState(ProgressCounts, VectorCache, StretchCollector):
    """The counts, the vectors and the stretches of recordings of a run. They share a process, since each takes 1.5 s of
    CPU to start.

    If the process dies, another one starts empty: texts are embedded again, the counts begin at zero, and recordings of
    which only some stretches had come fail.

    Args:
        pipeline: as for `ProgressCounts`.
        dimension: as for `VectorCache`.
    """

    def __init__(self, pipeline: str, dimension: int) -> None:
        ProgressCounts.__init__(self, pipeline)
        VectorCache.__init__(self, dimension)
        StretchCollector.__init__(self)
