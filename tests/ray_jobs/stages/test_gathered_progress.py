"""Counts of progress that a task gathers before it sends them."""

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from ingest.common.waiting import SECONDS_BETWEEN_LINES
from ingest.stages.pipeline import map_objects
from ingest.stages.progress import ProgressPrinter, gathered
from ingest.stages.requests import Resources


class Sent(list):
    def __call__(self, *count):
        self.append(count)


def test_a_block_of_objects_sends_one_message_for_each_stage(clock):
    sent = Sent()
    with gathered(sent, clock) as observe:
        for _ in range(256):
            observe("read", 1, 0.5)
            observe("parse", 1, 2.0)
        assert sent == []
    assert sent == [("read", 256, 128.0), ("parse", 256, 512.0)]


def test_a_long_block_tells_how_far_it_is(clock):
    sent = Sent()
    with gathered(sent, clock) as observe:
        observe("read", 1, 1.0)
        clock.now = SECONDS_BETWEEN_LINES
        observe("read", 1, 1.0)
        assert sent == [("read", 2, 2.0)]
        observe("read", 1, 1.0)
    assert sent == [("read", 2, 2.0), ("read", 1, 1.0)]


def test_what_was_counted_before_an_error_is_sent(clock):
    sent = Sent()
    with pytest.raises(ValueError, match="bad"), gathered(sent, clock) as observe:
        observe("read", 1, 1.0)
        raise ValueError("bad")
    assert sent == [("read", 1, 1.0)]


def test_threads_count_together(clock):
    sent = Sent()
    with gathered(sent, clock) as observe, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: observe("read", 1, 1.0), range(1000)))
        pool.shutdown()
    assert sent == [("read", 1000, 1000.0)]


def test_a_stage_that_parses_gathers_the_counts_of_a_block():
    class Dataset:
        def map_batches(self, parse, fn_kwargs, **_):
            return list(parse(pa.table({"source": ["a", "b"]}), **fn_kwargs))

    def parse(block, observe, end):
        for source in block["source"].to_pylist():
            observe("read", 1, 1.0)
            yield source + end

    sent = Sent()
    assert map_objects(Dataset(), parse, Resources(1, 1, 1, 1, {}), observe=sent, end="!") == ["a!", "b!"]
    assert sent == [("read", 2, 2.0)]


def test_the_time_of_a_line_is_that_of_all_executions_as_its_counts_are(clock):
    """After another plan, the rate was that of all texts in the seconds since that plan."""
    printer = ProgressPrinter(None, None, [], "chunks", print, clock)
    with printer:
        clock.now += 100
    clock.now += 1000  # the run waits for its turn
    with printer:
        clock.now += 20
        assert printer.elapsed == 120
