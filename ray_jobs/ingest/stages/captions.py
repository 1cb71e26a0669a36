"""The stage that captions figures, for Ray Data: it takes and returns Arrow tables."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ingest.stages.blocks import PART_SCHEMA
from ingest.stages.lazy_model import LazyModel
from ingest.stages.progress import Observe
from ingest.store.parse_cache import ParseCache

if TYPE_CHECKING:
    from ingest.models.captioner import Captioner

PICTURED_SCHEMA = PART_SCHEMA.append(pa.field("pictures", pa.list_(pa.binary())))
"""PART_SCHEMA, and an encoded image for each of its rows whose text will be a caption; null for the others."""

_PART_COLUMNS = ["source", "version", "first", "totals"]


class CaptionFigures:
    """The actor with the vision-language model: it turns tables of PICTURED_SCHEMA into tables of PART_SCHEMA.

    With a `cache` of captions, the first figure without one loads the model.
    """

    def __init__(
        self,
        model: str,
        threads: int,
        batch_size: int,
        device: str,
        observe: Observe,
        cache: ParseCache | None = None,
    ) -> None:
        def load() -> Captioner:
            from ingest.models.captioner import Captioner

            return Captioner(model, threads, batch_size, device)

        self._captioner = LazyModel(load, observe, at_once=cache is None)
        self._observe = observe
        self._cache = cache

    def __call__(self, table: pa.Table) -> pa.Table:
        pictures = table["pictures"].combine_chunks()
        texts = table["texts"].combine_chunks()
        flat = texts.flatten().to_pylist()
        is_waiting = pictures.flatten().is_valid().to_pylist()
        offsets = np.concatenate([[0], np.cumsum(texts.value_lengths().to_numpy())])
        waiting: list[int] = []
        new: list[tuple[dict[str, Any], slice]] = []
        for row in range(table.num_rows):
            own = [index for index in range(offsets[row], offsets[row + 1]) if is_waiting[index]]
            if not own:
                continue
            entry = table.slice(row, 1).select(_PART_COLUMNS).to_pylist()[0]
            if kept := self._kept(entry):
                for index, caption in zip(own, kept, strict=True):
                    flat[index] = caption
            else:
                new.append((entry, slice(len(waiting), len(waiting) + len(own))))
                waiting += own
        if waiting:
            values = pictures.flatten()
            captioner, started = self._captioner(), time.perf_counter()
            found = captioner.caption([values[index].as_py() for index in waiting])
            self._observe("caption", len(found), time.perf_counter() - started)
            for index, caption in zip(waiting, found, strict=True):
                flat[index] = caption
            for entry, part in new:
                self._keep(entry, found[part])
        captioned = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(flat, pa.string()))
        return table.select(PART_SCHEMA.names).set_column(
            PART_SCHEMA.get_field_index("texts"), PART_SCHEMA.field("texts"), captioned
        )

    def _kept(self, entry: Mapping[str, Any]) -> list[str]:
        """The captions of a part of an object, if it had some before."""
        if self._cache is None:
            return []
        table = self._cache.load(entry["source"], entry["version"], _place(entry))
        return [] if table is None else table["caption"].to_pylist()

    def _keep(self, entry: Mapping[str, Any], captions: Sequence[str]) -> None:
        if self._cache is not None:
            table = pa.table({"caption": pa.array(captions, pa.string())})
            self._cache.save(entry["source"], entry["version"], table, _place(entry))


def _place(entry: Mapping[str, Any]) -> int:
    """The number of a part with figures in its object, whatever the number of the chunks before them."""
    return int(sum(entry["totals"]) - entry["first"])
