"""The stage that captions figures, for Ray Data: it takes and returns Arrow tables."""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa

from ingest.stages.blocks import PART_SCHEMA
from ingest.stages.progress import Observe

PICTURED_SCHEMA = PART_SCHEMA.append(pa.field("pictures", pa.list_(pa.binary())))
"""PART_SCHEMA, and an encoded image for each of its rows whose text will be a caption; null for the others."""


class CaptionFigures:
    """The actor with the vision-language model: it turns tables of PICTURED_SCHEMA into tables of PART_SCHEMA."""

    def __init__(self, model: str, threads: int, batch_size: int, device: str, observe: Observe) -> None:
        from ingest.models.captioner import Captioner

        started = time.perf_counter()
        self._captioner = Captioner(model, threads, batch_size, device)
        self._observe = observe
        observe("load", 1, time.perf_counter() - started)

    def __call__(self, table: pa.Table) -> pa.Table:
        pictures = table["pictures"].combine_chunks().flatten()
        texts = table["texts"].combine_chunks()
        waiting = [index for index, is_there in enumerate(pictures.is_valid().to_pylist()) if is_there]
        if not waiting:
            return table.select(PART_SCHEMA.names)
        started = time.perf_counter()
        captions = self._captioner.caption([pictures[index].as_py() for index in waiting])
        self._observe("caption", len(captions), time.perf_counter() - started)
        flat = texts.flatten().to_pylist()
        for index, caption in zip(waiting, captions, strict=True):
            flat[index] = caption
        offsets = np.concatenate([[0], np.cumsum(texts.value_lengths().to_numpy())])
        captioned = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(flat, pa.string()))
        return table.select(PART_SCHEMA.names).set_column(
            PART_SCHEMA.get_field_index("texts"), PART_SCHEMA.field("texts"), captioned
        )
