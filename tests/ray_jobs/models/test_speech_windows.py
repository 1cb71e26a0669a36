"""A recording is divided into stretches that are all its speech, in order, each as long as the others."""

import numpy as np
import pytest

from ingest.common.speech import SAMPLE_RATE
from ingest.models.speech_windows import Clip, Stretch, Window, for_language, stretches

SECOND = SAMPLE_RATE


def window(offset, *clips):
    """A window of ten seconds, with clips from one second to another."""
    return Window(
        offset * SECOND, (offset + 10) * SECOND, [Clip([(start * SECOND, end * SECOND)]) for start, end in clips]
    )


def divided(found, most):
    return list(stretches(found, 1.0, most))


TALK = [window(0, (1, 2), (3, 5), (6, 7)), window(10), window(20, (0, 4)), window(30, (1, 3), (4, 10))]


@pytest.mark.parametrize(("most", "sizes"), [(1, [1] * 6), (2, [1, 2, 1, 2]), (3, [3, 1, 2]), (100, [3, 1, 2])])
def test_the_stretches_are_all_clips_in_order_and_none_goes_over_a_window(most, sizes):
    found = divided(TALK, most)
    assert [len(stretch.clips) for stretch in found] == sizes
    at = [(stretch.offset + clip.start, stretch.offset + clip.end) for stretch in found for clip in stretch.clips]
    assert at == [(own.offset + clip.start, own.offset + clip.end) for own in TALK for clip in own.clips]


@pytest.mark.parametrize(
    "talk", [TALK, [window(0), window(10), window(20), window(30)], [window(0, (0, 10)), *TALK[1:]]]
)
def test_the_stretches_are_numbered_and_stand_for_the_whole_recording(talk):
    found = divided(talk, 2)
    assert [stretch.number for stretch in found] == list(range(len(found)))
    assert [stretch.last for stretch in found] == [False] * (len(found) - 1) + [True]
    ends = [0, *(stretch.end for stretch in found)]
    assert [stretch.begin for stretch in found] == ends[:-1]
    assert ends[-1] == 40 * SECOND


def test_a_recording_in_which_nobody_speaks_is_one_stretch_without_sound():
    (only,) = divided([window(0), window(10)], 2)
    assert only.clips == []
    assert only.span == (0, 0)
    assert len(only.window(np.ones(0, np.int16))) == 0


def test_the_clips_of_a_window_are_the_same_in_its_stretches():
    samples = np.arange(40 * SECOND, dtype=np.int16)
    for stretch in divided(TALK, 2):
        known = stretch.window(samples[slice(*stretch.span)])
        for clip in stretch.clips:
            sound = samples[stretch.offset + clip.start : stretch.offset + clip.end]
            assert np.array_equal(known[clip.start : clip.end], sound / np.float32(32768))


def test_a_stretch_is_the_same_after_it_was_json():
    for stretch in divided(TALK, 2):
        assert Stretch.from_json(stretch.to_json()) == stretch


def test_the_language_is_that_of_a_few_clips_of_the_whole_window():
    clips = [Clip([(number, number + 1)]) for number in range(20)]
    assert [clip.start for clip in for_language(clips)] == [0, 6, 13, 19]
    assert for_language(clips[:2]) == clips[:2]
