"""The work list of a run: entries come back in order, in blocks that grow."""

from contextlib import contextmanager
from math import ceil
from threading import Thread

import pytest

from ingest.ledger.diff import Change, Difference
from ingest.ledger.work_list import (
    BLOCK_BYTES,
    BLOCKS_PER_SIZE,
    FIRST_BLOCK,
    LAST_BLOCK,
    PAUSE_SECONDS,
    WORK_SCHEMA,
    WorkList,
)


def differences(count, size=1):
    changes = list(Change)
    return [
        Difference(changes[n % len(changes)], f"s3://b/{n:06}-文🙂.pdf", f"v{n}", size, n % 4) for n in range(count)
    ]


@contextmanager
def filled(count, size=1):
    with WorkList.temporary() as work_list:
        for difference in differences(count, size):
            work_list.add(difference)
        yield work_list


@pytest.mark.parametrize("size", [1, 1 << 40])
@pytest.mark.parametrize("count", [0, 1, FIRST_BLOCK, FIRST_BLOCK + 1, 3000])
def test_entries_come_back_in_order(count, size):
    with filled(count, size) as work_list:
        assert (work_list.count, work_list.bytes) == (count, count * size)
        rows = [row for block in work_list.blocks() for row in block.to_pylist()]
    assert [Difference(Change(row.pop("change")), **row) for row in rows] == differences(count, size)


def test_blocks_are_small_first_and_grow_to_the_last_size():
    steps = [FIRST_BLOCK << step for step in range(3)]
    assert steps[-1] == LAST_BLOCK
    with filled(BLOCKS_PER_SIZE * sum(steps) + LAST_BLOCK + 5) as work_list:
        sizes = [block.num_rows for block in work_list.blocks()]
    assert sizes == [size for size in steps for _ in range(BLOCKS_PER_SIZE)] + [LAST_BLOCK, 5]


@pytest.mark.parametrize("resume", [WorkList.go_on, WorkList.end], ids=["go on", "end"])
def test_adding_pauses_until_somebody_says_so_or_the_list_has_ended(resume):
    happened = []
    with WorkList.temporary() as work_list:
        work_list.pause_at = 2  # in the middle of the first block

        def add():
            for difference in differences(3):
                work_list.add(difference)
            happened.append("added")

        waiter, adder = Thread(target=work_list.wait_for, args=(2,)), Thread(target=add)
        for thread in (waiter, adder):
            thread.start()
        waiter.join(PAUSE_SECONDS / 2)
        assert not waiter.is_alive()
        happened.append("resumed")
        resume(work_list)
        adder.join()
    assert happened == ["resumed", "added"]


def test_a_few_large_objects_have_a_block_each():
    with filled(5, BLOCK_BYTES) as work_list:
        assert [block.num_rows for block in work_list.blocks()] == [1] * 5


def test_many_large_objects_have_few_blocks():
    with filled(100_000, BLOCK_BYTES) as work_list:
        assert sum(1 for _ in work_list.blocks()) < 1000


def test_blocks_have_the_schema_that_the_stages_expect():
    with filled(20) as work_list:
        assert all(block.schema == WORK_SCHEMA for block in work_list.blocks())


def test_sources_come_in_order():
    with filled(40) as work_list:
        assert list(work_list.sources()) == [difference.source for difference in differences(40)]


def test_blocks_are_taken_while_the_list_grows():
    with WorkList.temporary() as work_list:
        filler = Thread(target=lambda: ([work_list.add(entry) for entry in differences(3000)], work_list.end()))
        filler.start()
        found = []
        while not work_list.exhausted:
            if work_list.wait_for_block(60):
                found += work_list.take()["source"].to_pylist()
        filler.join()
    assert found == [difference.source for difference in differences(3000)]


def test_no_block_comes_before_it_is_full_or_the_list_is_complete():
    with WorkList.temporary() as work_list:
        work_list.add(differences(1)[0])
        assert (work_list.wait_for_block(0), work_list.complete, work_list.exhausted) == (False, False, False)
        work_list.end()
        assert (work_list.wait_for_block(0), work_list.complete, work_list.exhausted) == (True, True, False)
        assert work_list.take().num_rows == 1
        assert (work_list.wait_for_block(0), work_list.exhausted) == (False, True)


def test_the_failure_that_ended_the_list_is_raised_where_blocks_are_taken():
    with WorkList.temporary() as work_list:
        work_list.end(ConnectionError("the store is away"))
        work_list.end()
        with pytest.raises(ConnectionError, match="the store is away"):
            work_list.wait_for_block(60)


def test_what_is_put_back_comes_again_before_the_rest():
    with filled(40) as work_list:
        work_list.end()
        first = work_list.take()
        while work_list.wait_for_block(0):
            work_list.take()
        assert work_list.exhausted
        work_list.put_back(first.slice(3, 2))
        assert (work_list.exhausted, work_list.wait_for_block(0)) == (False, True)
        assert work_list.take()["source"].to_pylist() == [entry.source for entry in differences(5)[3:]]
        assert work_list.exhausted


def test_the_last_blocks_of_a_complete_list_are_small():
    with filled(100) as work_list:
        work_list.end()
        sizes, found = [], []
        while not work_list.exhausted:
            block = work_list.take(parts=4)
            assert block.num_rows <= ceil((100 - len(found)) / 4)
            sizes.append(block.num_rows)
            found += block["source"].to_pylist()
    assert found == [entry.source for entry in differences(100)]
    assert (sizes[:2], sizes[-4:]) == ([25, 19], [1, 1, 1, 1])


def test_blocks_of_a_list_that_grows_are_whole():
    with filled(FIRST_BLOCK + 24) as work_list:
        assert work_list.take(parts=100).num_rows == FIRST_BLOCK
        work_list.end()
        assert work_list.take(parts=100).num_rows == 1


def test_what_is_put_back_counts_as_left():
    with filled(16) as work_list:
        work_list.end()
        whole = work_list.take()
        work_list.put_back(whole)
        assert [work_list.take(parts=2).num_rows for _ in range(3)] == [8, 4, 2]
