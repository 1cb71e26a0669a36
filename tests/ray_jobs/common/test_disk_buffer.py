"""Streams are read ahead while their consumer is busy: one to a buffer on disk, and the beginnings of several."""

import itertools
import tempfile
import threading

import pytest

from ingest.common.disk_buffer import begun_ahead, buffered_on_disk


def test_all_items_arrive_in_order():
    assert list(buffered_on_disk([number] * 1000 for number in range(50))) == [[number] * 1000 for number in range(50)]
    assert list(buffered_on_disk([])) == []


def test_the_stream_is_read_to_its_end_while_the_consumer_is_busy():
    ended = threading.Event()

    def items():
        yield from range(100)
        ended.set()

    ahead = buffered_on_disk(items())
    assert next(ahead) == 0
    assert ended.wait(60)
    assert list(ahead) == list(range(1, 100))


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield from (1, 2)
        raise ConnectionError("gone")

    ahead = buffered_on_disk(items())
    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(ConnectionError, match="gone"):
        next(ahead)


def test_closing_the_buffer_ends_the_thread_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ahead = buffered_on_disk(itertools.count())
    assert next(ahead) == 0
    ahead.close()
    assert list(tmp_path.iterdir()) == []
    assert not [thread for thread in threading.enumerate() if thread.name == "disk-buffer"]


def test_streams_come_whole_and_in_order():
    streams = [iter(range(number)) for number in range(20)]
    assert [list(stream) for stream in begun_ahead(iter(streams), 3)] == [list(range(number)) for number in range(20)]
    assert list(begun_ahead([], 3)) == []


def test_so_many_streams_are_begun_while_the_first_is_consumed():
    begun = [threading.Event() for _ in range(9)]

    def stream(number):
        begun[number].set()
        yield number

    streams = begun_ahead(map(stream, range(9)), 3)
    next(streams)
    assert all(event.wait(60) for event in begun[:4])
    assert not any(event.is_set() for event in begun[4:])
    streams.close()


def test_an_error_comes_at_the_turn_of_its_stream():
    def fails():
        raise ConnectionError("gone")
        yield

    streams = begun_ahead(iter([iter("a"), fails(), iter("b")]), 2)
    assert list(next(streams)) == ["a"]
    with pytest.raises(ConnectionError, match="gone"):
        next(streams)
