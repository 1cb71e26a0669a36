"""The tries of an object before the one that its entry in the ledger describes.

They are in the entry itself (`metadata`), so that they cost no write of their own, and no crash can part them from it:
a run that writes an entry again carries its tries along, and adds the one that the entry has described until then. A
run is told by its id: what it writes of an object several times is one try. There are MAX_TRIES at most, and a diff
reads them with the entry, so that they are short. An object that is removed takes its tries along. An entry that was
written before there were tries, and one of a collection for another model, begin without any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ingest.ledger.batches import json_bytes
from ingest.milvus.schema import JSON_LENGTH

TRIES = "tries"
"""Key in a ledger row's `metadata`: a list of objects with the TRY_FIELDS that are not empty, the earliest first. A try
without an `error_type` has succeeded."""

RELABELLED = "relabelled"
"""Key in a ledger row's `metadata` if the run that wrote it last gave the object other metadata and did not process it:
the last try is then in TRIES."""

MAX_TRIES = 5

TRY_FIELDS = ("run_id", "updated_at", "version", "attempts", "stage", "error_type", "error_message")

ENTRY_FIELDS = ("source", "metadata", *TRY_FIELDS)
"""The fields of a ledger row that `tries_of` needs, and its key."""

MESSAGE_BYTES = 400
"""Bytes of the error message of a try; a longer one is cut."""

Try = Mapping[str, Any]

MARK_BYTES = 256
"""Bytes of a ledger row's `metadata` for its other marks."""


def tries_of(entry: Mapping[str, Any], run_id: str) -> list[Try]:
    """The tries at the object of a ledger row, without that of the run `run_id`, the earliest first."""
    kept = list(entry["metadata"].get(TRIES, ()))
    if entry["run_id"] == run_id or RELABELLED in entry["metadata"]:
        return kept
    last = {name: entry[name] for name in TRY_FIELDS if entry[name] != ""}
    if "error_message" in last:
        last["error_message"] = last["error_message"].encode()[:MESSAGE_BYTES].decode(errors="ignore")
    return [*kept, last][-MAX_TRIES:]


def with_tries(metadata: Mapping[str, Any], tries: Sequence[Try]) -> dict[str, Any]:
    """The metadata of a ledger row with its tries; without the earliest ones if Milvus has no room for all of them."""
    for first in range(len(tries)):
        found = {**metadata, TRIES: list(tries[first:])}
        if json_bytes(found) + MARK_BYTES <= JSON_LENGTH:
            return found
    return dict(metadata)
