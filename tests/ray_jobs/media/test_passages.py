"""Merging of speech segments into passages."""

import itertools
import random

import numpy as np
import pytest

from ingest.common.speech import Segment
from ingest.media.passages import MAX_WORDS, TOLERANCE, Passage, merge_segments


def words(texts):
    return " ".join(texts).split()


def test_segments_are_joined_up_to_the_limit():
    segments = [Segment(0, 1, "one two"), Segment(1, 2, "three"), Segment(2, 3, "four five six")]
    (passage,) = merge_segments(segments, len, 100)
    assert passage == Passage(0, 3, "one two three four five six", ((0, 0), (8, 1), (14, 2)))


def test_no_passage_exceeds_the_limit():
    segments = [Segment(i, i + 1, "some words that are said") for i in range(20)]
    assert all(len(passage.text) <= 60 for passage in merge_segments(segments, len, 60))


def test_a_passage_ends_with_a_sentence_if_possible():
    segments = [Segment(0, 1, "It was dusk."), Segment(1, 2, "The lamp was lit."), Segment(2, 3, "Then the"),
                Segment(3, 4, "storm came over the sea.")]  # fmt: skip
    assert [passage.text for passage in merge_segments(segments, len, 45)] == [
        "It was dusk. The lamp was lit.",
        "Then the storm came over the sea.",
    ]


def test_a_passage_ends_at_a_pause_if_no_sentence_ends():
    segments = [Segment(0, 1, "alpha beta"), Segment(1, 2, "gamma"), Segment(5, 6, "delta"), Segment(6, 7, "epsilon")]
    first, second = merge_segments(segments, len, 26)
    assert (first.end, second.start) == (2, 5)


def test_no_passage_exceeds_the_maximum_duration():
    segments = [Segment(10 * i, 10 * i + 9, "word") for i in range(12)]
    assert all(passage.end - passage.start <= 30 for passage in merge_segments(segments, len, 1000, max_seconds=30))


def test_a_long_segment_is_cut_between_words_and_its_time_divided():
    first, second = merge_segments([Segment(10, 20, "abcd efgh ijkl mnop")], len, 10)
    assert first == Passage(10, 10 + 10 * 10 / 19, "abcd efgh", ((0, 10),))
    assert second == Passage(first.end, 20, "ijkl mnop", ((0, first.end),))


def test_a_word_above_the_limit_is_not_cut():
    assert [passage.text for passage in merge_segments([Segment(0, 1, "a incomprehensibilities b")], len, 8)] == [
        "a", "incomprehensibilities", "b",
    ]  # fmt: skip


def test_chinese_is_joined_without_spaces_and_cut_between_characters():
    segments = [Segment(0, 2, "云岭绿茶的冲泡水温"), Segment(2, 3, "是八十度。")]
    assert [passage.text for passage in merge_segments(segments, len, 100)] == ["云岭绿茶的冲泡水温是八十度。"]
    assert "".join(passage.text for passage in merge_segments(segments, len, 4)) == "云岭绿茶的冲泡水温是八十度。"


def test_segments_without_text_are_ignored():
    (passage,) = merge_segments([Segment(0, 1, " "), Segment(1, 2, "word")], len, 9)
    assert passage == Passage(1, 2, "word", ((0, 1),))


def test_no_word_is_lost_or_repeated_with_any_limits():
    chance = random.Random(4)
    for _ in range(100):
        time, segments = 0.0, []
        for _ in range(chance.randrange(1, 40)):
            text = " ".join(chance.choice(["sea", "lighthouse", "storm.", "a", "云", "lamp?"]) for _ in range(9))
            segments.append(Segment(time, time + 2, text))
            time += chance.choice([2, 2.5, 9])
        found = list(merge_segments(segments, len, chance.randrange(1, 120), chance.choice([1, 10, 60])))
        assert "".join(words(p.text for p in found)) == "".join(words(s.text for s in segments))
        assert all(before.end <= after.start for before, after in itertools.pairwise(found))


def test_the_given_function_counts_the_length():
    segments = [Segment(i, i + 1, "two words") for i in range(4)]
    assert len(list(merge_segments(segments, lambda text: len(text.split()), 4))) == 2


def test_a_segment_is_cut_when_its_word_is_spoken_and_with_the_same_texts():
    spoken = ((5, 10.5), (10, 18.0), (15, 19.0))
    plain, timed = (Segment(10, 20, "abcd efgh ijkl mnop", words) for words in ((), spoken))
    first, second = merge_segments([timed], len, 10)
    assert (first.start, first.end, second.start, second.end) == (10, 18.0, 18.0, 20)
    assert [passage.text for passage in merge_segments([plain], len, 10)] == [first.text, second.text]
    assert (first.marks, second.marks) == (((0, 10),), ((0, 18.0),))


def test_words_are_kept_whose_times_do_not_follow_from_others():
    even = tuple((5 * number, 10 + 10 * 5 * number / 19) for number in range(1, 4))
    (passage,) = merge_segments([Segment(10, 20, "abcd efgh ijkl mnop", even)], len, 100)
    assert passage.words == ()
    late = ((5, 12.5), (10, 17.9), (15, 18.9))
    (passage,) = merge_segments([Segment(0, 9, "first"), Segment(10, 20, "abcd efgh ijkl mnop", late)], len, 100)
    assert (passage.marks, passage.words) == (((0, 0), (6, 10)), ((11, 12.5), (16, 17.9)))


@pytest.mark.parametrize("count", [10, 400])
def test_the_times_of_all_words_follow_from_those_that_are_kept(count):
    chance = random.Random(count)
    starts = sorted(round(chance.uniform(0, 100), 2) for _ in range(count))
    text = " ".join(f"w{number:03}" for number in range(count))
    words = tuple((5 * number, start) for number, start in enumerate(starts) if number)
    (passage,) = merge_segments([Segment(starts[0], 100, text, words)], len, 10_000, 1000)
    kept = sorted([*passage.marks, *passage.words, (len(text), passage.end)])
    assert len(passage.words) <= MAX_WORDS
    found = np.interp([at for at, _ in words], *zip(*kept, strict=True))
    assert max(abs(found - [start for _, start in words])) <= TOLERANCE
