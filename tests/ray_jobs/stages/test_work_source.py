"""The blocks of a work list that an execution has got, and that come back if it fails."""

import pytest

from ingest.ledger.diff import Change, Difference
from ingest.ledger.outcomes import ObjectOutcomes
from ingest.ledger.work_list import WorkList
from ingest.stages.work_source import Blocks

NAMES = [f"s3://b/{number:02}.pdf" for number in range(40)]


@pytest.fixture
def work():
    with WorkList.temporary() as found:
        for name in NAMES:
            found.add(Difference(Change.NEW, name, "v1", 1, 0))
        found.end()
        yield found


def taken(blocks):
    block, _ = blocks.take(lambda _: object())
    return block["source"].to_pylist()


def written(rows, done=()):
    """The outcome of a write of so many rows by source, with which some objects are done."""
    outcome = ObjectOutcomes()
    outcome.write(0, (name for name, count in rows.items() for _ in range(count)))
    for name in done:
        outcome.succeed(name, 1, {})
    return outcome


def left(work):
    blocks = Blocks(work, 1)
    return [name for _ in range(10) for name in taken(blocks)]


def test_what_is_not_done_comes_again(work):
    blocks = Blocks(work, 1)
    begun = taken(blocks)
    blocks.note(written(dict.fromkeys(begun, 1), done=begun[:5]))
    assert blocks.put_back()[0] == len(begun) - 5
    assert left(work) == NAMES[5:]


def test_an_execution_that_failed_and_still_goes_on_takes_no_block_with_it(work):
    """Ray Data waits only two seconds for the end of its thread."""
    blocks = Blocks(work, 1)
    taken(blocks)
    blocks.put_back()
    assert not blocks.is_due(0)
    assert taken(blocks) == []
    assert sorted(left(work)) == NAMES


def test_rows_of_an_object_that_is_begun_again_are_counted_once(work):
    blocks, total = Blocks(work, 1), ObjectOutcomes()
    first, second, *_ = taken(blocks)
    # The outcomes of two writers may come in another order than they wrote.
    for part in (written({first: 3}), written({second: 2}, [second]), written({second: 4})):
        blocks.note(part)
        total.add(part)
    _, rows = blocks.put_back()
    total.rows_in.subtract(rows)
    assert (total.rows_written, total.ok) == (6, 1)
