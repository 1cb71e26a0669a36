"""Announcements of a long wait."""

import threading

from ingest.common import waiting
from ingest.common.waiting import announce_wait


def test_a_long_wait_is_announced_again_and_again(monkeypatch):
    monkeypatch.setattr(waiting, "SECONDS_BETWEEN_LINES", 0.001)
    said, enough = [], threading.Event()

    def say(line):
        said.append(line)
        if len(said) == 3:
            enough.set()

    with announce_wait("loading", say):
        assert enough.wait(60)
    assert (said[0], {line.split("s  ")[1] for line in said[1:]}) == ("loading", {"loading"})


def test_nothing_is_announced_after_the_wait():
    said = []
    with announce_wait("loading", said.append):
        pass
    assert said == ["loading"]
    assert not [thread for thread in threading.enumerate() if thread.name == "announce-wait"]
