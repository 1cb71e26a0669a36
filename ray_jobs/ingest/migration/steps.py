"""The steps of a run that concern generations of collections, before and after its work, under the right leases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING

from ingest.common.text import printable
from ingest.ledger.alias import create_ledger, is_too_narrow, widen
from ingest.ledger.deletion_limit import DeletionLimit
from ingest.ledger.lease import Lease
from ingest.migration.generations import (
    PIPELINES,
    Disagreements,
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

HoldLease = Callable[[str, str], AbstractContextManager[Lease]]
"""Takes a pipeline and a prefix, and holds that lease."""


def prepare_ledger_and_migration(
    client: MilvusClient, names: Names, dimension: int, migrate: bool, hold_lease: HoldLease, say: Callable[[str], None]
) -> None:
    """Start a migration or complete its interrupted switch, and ensure a ledger with room for this model's vectors.

    The caller holds no lease yet: a run that holds one and waits for all others could wait for ever. For the same
    reason the ledger is created here and not with the first rows: if the first run of another pipeline has just created
    a ledger with shorter vectors, it can still be widened.
    """
    if empty_generation_is_searched(client, names):
        with hold_lease(names.pipeline, ""):
            drop_empty_generation(client, names)
    if is_staged(client, names, migrate):
        with hold_lease(names.pipeline, ""):
            start_migration(client, names, dimension)
    create_ledger(client, names.ledger, dimension)
    if is_too_narrow(client, names.ledger, dimension):
        say(f"copying the ledger {names.ledger}, whose vectors have fewer than {dimension} dimensions")
        with ExitStack() as stack:
            for pipeline in PIPELINES:
                stack.enter_context(hold_lease(pipeline, ""))
            widen(client, names.ledger, dimension)
    if is_switch_interrupted(client, names):
        say(f"completing the switch to {names}")
        with hold_lease(names.pipeline, ""):
            finish_switch(client, names)


def switch_if_complete(
    client: MilvusClient,
    names: Names,
    sources: Sequence[str],
    listed_all: bool,
    deletions: DeletionLimit,
    prepare: Callable[[], None],
    hold_lease: HoldLease,
    say: Callable[[str], None],
    ask_first: bool,
) -> Disagreements:
    """Switch searches to this run's collections if these hold everything that is in the ledger.

    Args:
        sources: the prefixes that the run has processed.
        listed_all: whether the run has processed every object under them.
        deletions: the limit on the objects that the switch may remove because they left the store.
        prepare: creates and loads the run's collections.
        ask_first: whether the switch is left to another run.

    Returns:
        The objects for which the old and the new collections do not agree.
    """
    with hold_lease(names.pipeline, ""):
        found = count_disagreements(client, names, sources, listed_all)
        if found.count:
            say(
                f"{' and '.join(names.public)} is not switched to {names} yet: the two do not agree on {found.count} "
                f"objects, the first is {printable(found.first)}; run with --migrate over a prefix that holds them all"
            )
        elif deletions.withheld(found.under):
            say(f"{' and '.join(names.public)} is not switched to {names}, because too many objects are missing")
        elif ask_first:
            say(f"{' and '.join(names.public)} is not switched to {names} by this run, because of --ask-first")
        elif is_staged(client, names, migrate=True):
            prepare()
            switch(client, names)
            say(f"{' and '.join(names.public)} is switched to {names}; the previous collection is kept")
    return found
