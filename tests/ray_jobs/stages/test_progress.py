"""What a person hears while something takes long."""

import threading

from ingest.common.progress import patience
from ingest.stages import progress


def test_a_long_wait_is_said_again_and_again(monkeypatch):
    monkeypatch.setattr(progress, "INTERVAL", 0.001)
    said, enough = [], threading.Event()

    def say(line):
        said.append(line)
        if len(said) == 3:
            enough.set()

    with patience("loading", say):
        assert enough.wait(60)
    assert (said[0], {line.split("s  ")[1] for line in said[1:]}) == ("loading", {"loading"})


def test_nothing_is_said_after_the_wait():
    said = []
    with patience("loading", said.append):
        pass
    assert said == ["loading"]
    assert not [thread for thread in threading.enumerate() if thread.name == "patience"]
