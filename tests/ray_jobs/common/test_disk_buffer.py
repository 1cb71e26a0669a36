"""A stream that is read to disk while nobody asks for more of it."""

import itertools
import tempfile
import threading

import pytest

from ingest.common.disk_buffer import buffered_on_disk


def test_all_items_come_in_order():
    assert list(buffered_on_disk([number] * 1000 for number in range(50))) == [[number] * 1000 for number in range(50)]
    assert list(buffered_on_disk([])) == []


def test_it_is_read_to_its_end_while_its_reader_is_busy():
    ended = threading.Event()

    def items():
        yield from range(100)
        ended.set()

    ahead = buffered_on_disk(items())
    assert next(ahead) == 0
    assert ended.wait(60)
    assert list(ahead) == list(range(1, 100))


def test_an_error_comes_after_what_was_read_before_it():
    def items():
        yield from (1, 2)
        raise ConnectionError("gone")

    ahead = buffered_on_disk(items())
    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(ConnectionError, match="gone"):
        next(ahead)


def test_closing_it_ends_the_reading_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ahead = buffered_on_disk(itertools.count())
    assert next(ahead) == 0
    ahead.close()
    assert list(tmp_path.iterdir()) == []
    assert not [thread for thread in threading.enumerate() if thread.name == "disk-buffer"]
