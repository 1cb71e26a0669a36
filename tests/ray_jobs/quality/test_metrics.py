"""The measures have the values that their definitions give by hand."""

from math import log2

import pytest

from ingest.quality.metrics import DEPTH, MEASURES, mean_scores, scores_of

NO, YES = False, True


def values(right, places):
    return [scores_of(right, places)[name] for name in MEASURES]


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ([YES, NO, NO], [1, 1, 1, 1]),
        ([NO, YES], [0, 1, 1 / 2, 1 / log2(3)]),
        ([NO, NO, NO, NO, YES], [0, 1, 1 / 5, 1 / log2(6)]),
        ([NO] * 5 + [YES], [0, 0, 1 / 6, 1 / log2(7)]),
        ([NO] * 9 + [YES], [0, 0, 1 / 10, 1 / log2(11)]),
        ([NO] * 10 + [YES], [0, 0, 0, 0]),
        ([NO] * 3, [0, 0, 0, 0]),
        ([], [0, 0, 0, 0]),
    ],
)
def test_a_question_with_one_place(right, expected):
    assert values(right, 1) == pytest.approx(expected)


def test_a_question_with_two_places_has_all_of_them_among_the_first_hits_or_a_part():
    best = 1 + 1 / log2(3)
    assert values([YES, YES, NO], 2) == pytest.approx([1, 1, 1, 1])
    assert values([YES, NO, NO, YES], 2) == pytest.approx([1, 1, 1, (1 + 1 / log2(5)) / best])
    assert values([NO, YES, NO], 2) == pytest.approx([0, 1 / 2, 1 / 2, (1 / log2(3)) / best])


def test_a_question_with_more_places_than_hits_are_looked_at_can_be_answered_perfectly():
    assert values([YES] * DEPTH, 25) == pytest.approx([1, 1, 1, 1])


def test_the_mean_counts_each_question_once():
    assert mean_scores([scores_of([YES], 1), scores_of([NO, YES], 1), scores_of([], 3)]) == pytest.approx(
        {"recall@1": 1 / 3, "recall@5": 2 / 3, "MRR@10": 1.5 / 3, "nDCG@10": (1 + 1 / log2(3)) / 3}
    )
