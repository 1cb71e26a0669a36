"""The input of the writer: parts of objects, and the collections that they go to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ingest.common.errors import ObjectError
from ingest.ledger.diff import Change
from ingest.ledger.lease import Lease


@dataclass(frozen=True, slots=True)
class Target:
    """The collections that a pipeline's rows and ledger entries go to.

    Attributes:
        collections: of the rows; a part names one of them by its index.
        ledger: collection of the ledger.
        ledger_dimension: length of the ledger's vectors; shorter vectors are padded with zeros.
        pipeline, fingerprint, run_id: written to the ledger.
        clean_new: whether an object without a ledger row may have rows, because its ledger row was lost.
        sources: the sources of the run.
        partition_key: name of the owner's value by which the collections are partitioned; empty if by none.
        lease: lease of the run, which is checked before every write and deletion; None if no other run can be writing.
    """

    collections: tuple[str, ...]
    ledger: str
    ledger_dimension: int
    pipeline: str
    fingerprint: str
    run_id: str
    clean_new: bool
    sources: tuple[str, ...] = ()
    lease: Lease | None = None
    partition_key: str = ""


@dataclass(frozen=True, slots=True)
class ObjectPart:
    """The rows from `first` to `first + len(rows) - 1` of an object, or the object's failure.

    An object's rows are numbered consecutively through all its collections, starting with the first one.

    Attributes:
        collection: index into the target's collections.
        totals: number of the object's rows in each of the target's collections.
        attempts: number of attempts at this version before this run.
        rows: the pipeline's own fields; id, source, version, ordinal and embedding are added by the writer.
        vectors: float32 array of shape (len(rows), dimension).
        metadata: metadata of the whole object, for the ledger.
    """

    source: str
    version: str
    size: int
    attempts: int
    change: Change
    collection: int = 0
    first: int = 0
    totals: tuple[int, ...] = (0,)
    rows: Sequence[Mapping[str, Any]] = ()
    vectors: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    metadata: Mapping[str, Any] = field(default_factory=dict)
    failure: ObjectError | None = None

    @property
    def total(self) -> int:
        return sum(self.totals)
