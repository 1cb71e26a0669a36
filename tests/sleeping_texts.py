"""A run whose parser makes texts up and whose text model only sleeps, for clusters with more GPUs than the machine has.

Everything else is real: the listing, the plan, Ray Data, the stage that embeds, the vectors that its actors share, the
counts, the ledger and the writes to Milvus.

    PYTHONPATH=ray_jobs:tests python tests/sleeping_texts.py TEXTS_PER_OBJECT TEXTS_PER_SECOND FLAGS...

Its arguments after the first two are those of the ingest scripts. Objects are files whose names end in `.txt`.
"""

import json
import sys
import time
from functools import partial

import numpy as np
import pyarrow as pa

from ingest.milvus.schema import DOCUMENTS
from ingest.run.flags import FlagParser
from ingest.run.options import run_options_from
from ingest.run.run import Run
from ingest.run.script import end, run_job_script, say
from ingest.run.shared_flags import RUN_FLAGS
from ingest.stages.blocks import PART_SCHEMA
from ingest.stages.pipeline import Collection, Pipeline, map_model, map_objects
from ingest.stages.requests import ModelStage
from ingest.stages.texts import EmbedTexts

DIMENSION = 1024
PASS = 180
"""Texts that the model takes at once: as many of 180 tokens as a GPU takes in a pass of 32,768 tokens."""
WORDS = "The crates of pears were weighed at the gate and paid on the day of their delivery. " * 8


def parse(table, texts, observe):
    """A part for each object, with so many texts of 670 characters."""
    rows = []
    for row in table.to_pylist():
        observe("read", 1, 0.0)
        observe("parse", 1, 0.0)
        fields = json.dumps({"page": 1, "kind": "text", "metadata": {}})
        found = [f"{row['source']} {number} {WORDS}" for number in range(texts)]
        whole = {"collection": 0, "first": 0, "totals": [texts], "fields": [fields] * texts, "texts": found}
        rows.append({**row, "metadata": "{}", **whole})
    yield pa.Table.from_pylist(rows, PART_SCHEMA)


class SleepingEncoder:
    """Takes its time and gives random vectors, as `TextEncoder` gives those of a model."""

    dimension = DIMENSION

    def __init__(self, rate):
        self._rate, self._random, self._tokens = rate, np.random.default_rng(), 0

    def encode(self, texts, done):
        vectors = self._random.standard_normal((len(texts), DIMENSION), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        for first in range(0, len(texts), PASS):
            indices = range(first, min(first + PASS, len(texts)))
            time.sleep(len(indices) / self._rate)
            self._tokens += 180 * len(indices)
            done(indices, vectors[first : first + PASS])
        return vectors

    def take_tokens(self):
        tokens, self._tokens = self._tokens, 0
        return tokens


class SleepingTexts(EmbedTexts):
    """The actor with that model."""

    def __init__(self, rate, observe, cache, **_):
        import ray

        self._encoder, self._observe, self._cache = SleepingEncoder(rate), observe, cache
        self._name = ray.get_runtime_context().get_actor_id()
        observe("load", 1, 0.0)


def build(texts, rate, differences, resources, observe, shared):
    parsed = map_objects(differences, parse, resources, texts=texts, observe=observe)
    pool = resources.pools["embed"]
    return map_model(parsed, SleepingTexts, pool, 32, rate=rate, observe=observe, cache=shared.cache)


def pipeline(texts, rate):
    return Pipeline(
        name="pdfs",
        unit="chunks",
        suffixes=(".txt",),
        collections=(Collection(DOCUMENTS, DIMENSION, "sleeping"),),
        model="sleeping",
        models=(ModelStage("embed", 0),),
        fingerprint="sleeping",
        build=partial(build, texts, rate),
        objects_per_actor=1,
    )


def main():
    texts, rate, *flags = sys.argv[1:]
    options = run_options_from(FlagParser("", RUN_FLAGS).parse_args(flags))
    return run_job_script(lambda: Run(pipeline(int(texts), float(rate)), options, say).execute(), options.report)


if __name__ == "__main__":
    # Ray's workers import the classes from the module of this name.
    import sleeping_texts

    end(sleeping_texts.main())
