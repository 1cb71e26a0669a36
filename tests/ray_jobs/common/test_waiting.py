"""Announcements of a long wait."""

import threading

from ingest.common import waiting
from ingest.common.waiting import LASTING_SECONDS, announce_wait, bearing_errors


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


def test_an_error_of_a_watch_is_said_when_it_stays(clock):
    """As where a version of Ray lacks what the watch asks: it would never see anything, without a word."""
    answers, said = [], []

    def look():
        if (answer := answers.pop(0)) is None:
            raise AttributeError("no attribute 'actors'")
        return answer

    watch = bearing_errors(look, "nothing is seen", said.append, clock)
    for answer, later in ((None, 0), (False, LASTING_SECONDS), (None, 0), (None, LASTING_SECONDS - 1)):
        clock.now += later
        answers.append(answer)
        assert watch() is False
    assert said == []
    for _ in range(2):
        clock.now += 1
        answers.append(None)
        watch()
    assert said == ["the Ray cluster cannot be watched, so nothing is seen (AttributeError: no attribute 'actors')"]
    answers.append(True)
    assert watch() is True
