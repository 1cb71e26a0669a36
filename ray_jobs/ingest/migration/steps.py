"""What a run does, under leases, about the generations of its collections: before its work, and after it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING

from ingest.common.text import printable
from ingest.ledger.alias import create_ledger, is_too_narrow, widen
from ingest.ledger.lease import Lease
from ingest.migration.generations import (
    PIPELINES,
    Names,
    count_disagreements,
    drop_empty_generation,
    empty_generation_is_searched,
    finish_switch,
    is_staged,
    is_switch_interrupted,
    start_migration,
    switch,
)

if TYPE_CHECKING:
    from pymilvus import MilvusClient

Leases = Callable[[str, str], AbstractContextManager[Lease]]
"""The lease of a pipeline over a prefix."""


def prepare_ledger_and_migration(
    client: MilvusClient, names: Names, dimension: int, wanted: bool, leases: Leases, say: Callable[[str], None]
) -> None:
    """Complete a switch that was cut off, begin a migration, and make a ledger with room for this model's vectors.

    The caller holds no lease yet: a run that holds one and waits for all others could wait for ever. So the ledger is
    created here and not with the first rows: where another pipeline's first run has just made one that is too short,
    it can still be widened.
    """
    if empty_generation_is_searched(client, names):
        with leases(names.pipeline, ""):
            drop_empty_generation(client, names)
    if is_staged(client, names, wanted):
        with leases(names.pipeline, ""):
            start_migration(client, names, dimension)
    create_ledger(client, names.ledger, dimension)
    if is_too_narrow(client, names.ledger, dimension):
        say(f"copying the ledger {names.ledger}, whose vectors have less than {dimension} dimensions")
        with ExitStack() as stack:
            for pipeline in PIPELINES:
                stack.enter_context(leases(pipeline, ""))
            widen(client, names.ledger, dimension)
    if is_switch_interrupted(client, names):
        say(f"completing the switch to {names}")
        with leases(names.pipeline, ""):
            finish_switch(client, names)


def switch_if_complete(
    client: MilvusClient,
    names: Names,
    source: str,
    listed_all: bool,
    prepare: Callable[[], None],
    leases: Leases,
    say: Callable[[str], None],
) -> int:
    """Point searches at this run's collections if they hold everything that the ledger knows.

    Args:
        source: the prefix that the run has processed.
        listed_all: whether the run has processed every object under it.
        prepare: creates and loads the run's collections.

    Returns:
        The number of objects for which the old and the new collections do not agree; 0 after a switch.
    """
    with leases(names.pipeline, ""):
        unmigrated, first = count_disagreements(client, names, source, listed_all)
        if unmigrated:
            say(
                f"{' and '.join(names.public)} is not switched to {names} yet: for {unmigrated} objects the two "
                f"do not agree, the first is {printable(first)}; run with --migrate over a prefix that holds them all"
            )
        elif is_staged(client, names, migrate=True):
            prepare()
            switch(client, names)
            say(f"{' and '.join(names.public)} is switched to {names}; what was searched before is kept")
    return unmigrated
