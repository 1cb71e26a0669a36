"""The collector of stretches: who hands a recording on, whatever comes twice, in whatever order, or not at all."""

import pickle
from itertools import permutations

import numpy as np
import pytest

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.speech import Language
from ingest.stages.gathering import CLAIM_TIMEOUT, LOST, Order, StretchCollector, StretchCollectorClient

KEY, OTHER = ("s3://b/a.mp3", "v1"), ("s3://b/b.mp3", "v1")
HEAR, NOTHING = Order(hear=True), Order()
BROKEN = ObjectError(Failure.MODEL_ERROR, "its speech cannot be transcribed")
SAMPLE = [np.zeros(3, np.float32)]


@pytest.fixture
def collector(clock):
    made = StretchCollector(clock=clock)
    made.announce_recording(KEY, SAMPLE)
    return made


def begin(collector, number, owner="one", key=KEY, detects=False):
    return collector.begin_stretch(key, number, owner, detects)


def end(collector, number, key=KEY, last=2):
    return collector.end_stretch(key, number, number == last, b"part %d" % number)


WHOLE = Order(parts=[b"part 0", b"part 1", b"part 2"])


@pytest.mark.parametrize("order", permutations(range(3)))
def test_the_stretch_that_comes_last_gets_all_in_order_whatever_the_order_in_which_they_come(collector, order):
    assert [begin(collector, number) for number in order] == [HEAR] * 3
    assert collector.unfinished_recordings() == [KEY[0]]
    assert [end(collector, number) for number in order] == [NOTHING, NOTHING, WHOLE]
    assert collector.unfinished_recordings() == []


def test_recordings_and_versions_are_kept_apart(collector):
    keys = [OTHER, (KEY[0], "v2")]
    for key in keys:
        collector.announce_recording(key, SAMPLE)
    for key in [KEY, *keys]:
        end(collector, 0, key)
        end(collector, 2, key)
    for key in [KEY, *keys]:
        assert end(collector, 1, key) == WHOLE


def test_a_stretch_that_was_heard_is_not_heard_again_and_changes_nothing(collector):
    end(collector, 0)
    assert begin(collector, 0) == NOTHING
    assert end(collector, 0) == NOTHING
    end(collector, 1)
    assert end(collector, 2) == WHOLE
    assert begin(collector, 0) == end(collector, 0) == NOTHING


def test_the_call_that_completed_a_recording_is_answered_the_same_again(collector):
    for number in range(3):
        end(collector, number)
    assert begin(collector, 2, "a new process") == WHOLE
    assert end(collector, 2) == WHOLE


def test_an_announcement_that_is_repeated_forgets_nothing(collector):
    end(collector, 0)
    collector.announce_recording(KEY, SAMPLE)
    assert begin(collector, 0) == NOTHING


def test_a_recording_fails_once_and_its_other_stretches_are_dropped(collector):
    end(collector, 0)
    failed = collector.fail_stretch(KEY, 1, BROKEN)
    assert failed == Order(failure=BROKEN)
    assert collector.fail_stretch(KEY, 2, BROKEN) == begin(collector, 2) == end(collector, 2) == NOTHING
    assert begin(collector, 1) == failed  # its process died
    assert collector.unfinished_recordings() == []


def test_a_collector_that_was_lost_fails_each_recording_whose_stretches_still_come_once():
    empty = StretchCollector()
    assert begin(empty, 1) == Order(failure=LOST)
    assert begin(empty, 2) == end(empty, 2) == NOTHING
    assert end(empty, 0, OTHER) == Order(failure=LOST)
    assert begin(empty, 1) == Order(failure=LOST)
    assert LOST.failure.may_pass


def test_one_actor_detects_the_language_and_the_others_wait_for_it(collector, clock):
    language = Language("fr", 0.9)
    detect = begin(collector, 0, "one", detects=True)
    assert detect.hear
    assert detect.sample is SAMPLE
    assert begin(collector, 1, "two", detects=True) == Order(wait=True)
    assert begin(collector, 0, "one", detects=True).sample is SAMPLE  # its process was started again
    collector.put_language(KEY, language)
    collector.put_language(KEY, Language("en", 0.1))
    assert begin(collector, 1, "two", detects=True) == Order(hear=True, language=language)


def test_the_detection_passes_from_a_silent_actor_to_another(collector, clock):
    begin(collector, 0, "one", detects=True)
    clock.now = CLAIM_TIMEOUT - 1
    assert begin(collector, 1, "two", detects=True).wait
    clock.now = CLAIM_TIMEOUT
    assert begin(collector, 1, "two", detects=True).sample is SAMPLE
    assert begin(collector, 2, "three", detects=True).wait


def test_nobody_waits_where_nobody_speaks(collector):
    collector.announce_recording(OTHER, [])
    assert begin(collector, 0, "one", OTHER, detects=True) == HEAR
    assert end(collector, 0, OTHER, last=0) == Order(parts=[b"part 0"])


def test_what_is_kept_of_complete_recordings_is_bounded_and_no_incomplete_one_is_dropped():
    collector = StretchCollector(kept_bytes=30)
    keys = [(f"s3://b/{number}.mp3", "v1") for number in range(3)]
    for key in [KEY, *keys]:
        collector.announce_recording(key, [])
    end(collector, 0)
    for key in keys:
        for number in range(3):
            order = end(collector, number, key)
        assert order == WHOLE
    assert [begin(collector, 2, key=key) for key in keys] == [Order(failure=LOST), Order(failure=LOST), WHOLE]
    end(collector, 1)
    assert end(collector, 2) == WHOLE


class Local(StretchCollectorClient):
    """A client of a collector in this process."""

    def _call(self, method, *args):
        return getattr(self._actor, method)(*pickle.loads(pickle.dumps(args)))


def test_the_parts_arrive_as_they_were_sent(collector):
    client = Local(collector)
    client.end(KEY, 0, False, ("a", [1.5]))
    assert client.end(KEY, 1, True, None).parts == [("a", [1.5]), None]
