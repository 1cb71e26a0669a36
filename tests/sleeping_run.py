"""A run whose parser and models only take their time, for clusters with more CPUs and GPUs than the machine has.

Everything else is real: the listing, the plan, Ray Data, the ledger and the writes to Milvus.

    PYTHONPATH=ray_jobs python tests/sleeping_run.py SECONDS_PER_PARSE SECONDS_PER_MODEL STAGES FLAGS...

Its arguments after the first three are those of the ingest scripts. Objects are files whose names end in `.txt`.
"""

import json
import os
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from embedded.processes import poll
from ingest.milvus.schema import DOCUMENTS
from ingest.run import node_changes, reservation
from ingest.run.flags import FlagParser
from ingest.run.options import run_options_from
from ingest.run.run import Run
from ingest.run.script import end, run_job_script, say
from ingest.run.shared_flags import RUN_FLAGS
from ingest.stages.blocks import PART_SCHEMA, VECTORS_FIELD, flat_lists
from ingest.stages.pipeline import Collection, Pipeline, map_model, map_objects
from ingest.stages.requests import ModelStage

DIMENSION = 4
TURN = "SLEEPING_RUN_TURN"
"""The variable with the seconds after which the run gives way, if they are others than those of production."""
GRACE = "SLEEPING_RUN_GRACE"
"""The variable with the seconds after which the run is planned anew without lost nodes and with new ones, likewise."""
NOTES = "SLEEPING_RUN_NOTES"
"""The variable with a file that gets a line for each actor and each object: what, node, process and time."""
MEET = "meet"
"""A file beside that of the notes with the number of objects that have to be parsed at the same time, if there is
one; those that are noted already count, too."""
LOST = "00000.txt"
"""The object that gets lost as often as a file beside that of the notes says, `lose`, if there is one. So objects do of
which a task told nothing that was repeated, and had other tables then."""


def note(what):
    import ray

    if path := os.environ.get(NOTES):
        node = ray.get_runtime_context().get_node_id()
        with Path(path).open("a") as file:
            print(json.dumps([what, node, os.getpid(), time.time()]), file=file)


def meet():
    """Wait until the parsing of as many objects has begun as MEET says."""
    notes = Path(os.environ.get(NOTES, ""))
    path = notes.with_name(MEET) if notes.name else notes
    if path.is_file():
        count = int(path.read_text())
        poll(lambda: notes.read_text().count('"parse"') >= count, 60, f"{count} objects are not parsed together")


def gets_lost(source):
    path = Path(os.environ.get(NOTES, "")).parent / "lose"
    if not source.endswith(LOST) or not path.exists() or not (times := int(path.read_text())):
        return False
    path.write_text(str(times - 1))
    return True


def parse(table, seconds, observe):
    """A part for each object, of one text."""
    for row in table.to_pylist():
        note("parse")
        if gets_lost(row["source"]):
            continue
        meet()
        time.sleep(seconds)
        observe("read", 1, seconds)
        fields = json.dumps({"page": 1, "kind": "text", "metadata": {}})
        whole = {"collection": 0, "first": 0, "totals": [1], "fields": [fields], "texts": [row["source"]]}
        yield pa.Table.from_pylist([{**row, "metadata": "{}", **whole}], PART_SCHEMA)


class Sleep:
    """The actor of a model."""

    def __init__(self, name, seconds, last, observe, **_):
        self._name, self._seconds, self._last, self._observe = name, seconds, last, observe
        note(f"load {name}")
        observe("load", 1, 0.0)

    def __call__(self, table):
        note(self._name)
        time.sleep(self._seconds * len(table))
        if not self._last:
            return table
        self._observe("embed", len(table), self._seconds)
        vectors = flat_lists(np.ones((len(table) * DIMENSION, 1), np.float32), np.full(len(table), DIMENSION))
        return table.select(PART_SCHEMA.names).append_column(VECTORS_FIELD, vectors)


def build(parse_seconds, model_seconds, names, differences, resources, observe, shared):
    found = map_objects(differences, parse, resources, seconds=parse_seconds, observe=observe)
    for name in names:
        arguments = {"name": name, "seconds": model_seconds, "last": name == names[-1], "observe": observe}
        found = map_model(found, Sleep, resources.pools[name], 1, **arguments)
    return found


def pipeline(parse_seconds, model_seconds, stages):
    names = ["frames", "transcribe", "embed"][-stages:]
    return Pipeline(
        name="pdfs",
        unit="texts",
        suffixes=(".txt",),
        collections=(Collection(DOCUMENTS, DIMENSION, "sleeping"),),
        model="sleeping",
        models=tuple(ModelStage(name, 0) for name in names),
        fingerprint="sleeping",
        build=partial(build, parse_seconds, model_seconds, names),
        objects_per_actor=1,
    )


def main():
    reservation.TURN_SECONDS = float(os.environ.get(TURN, reservation.TURN_SECONDS))
    node_changes.GRACE_SECONDS = float(os.environ.get(GRACE, node_changes.GRACE_SECONDS))
    node_changes.JOIN_SECONDS = float(os.environ.get(GRACE, node_changes.JOIN_SECONDS))
    parse_seconds, model_seconds, stages, *flags = sys.argv[1:]
    made = pipeline(float(parse_seconds), float(model_seconds), int(stages))
    options = run_options_from(FlagParser("", RUN_FLAGS).parse_args(flags))
    return run_job_script(lambda: Run(made, options, say).execute(), options.report)


if __name__ == "__main__":
    # Ray's workers import the classes from the module of this name.
    import sleeping_run

    end(sleeping_run.main())
