"""The measures of one question: how high the places that answer it stand among its hits.

Each measure lies between 0 and 1, and is 1 if the places that answer the question are the first hits. `n` is the number
of these places, most often 1; a hit is right if it is one of them, and each place counts once.

- recall@k: the right ones of the first k hits, divided by min(k, n). With one place, it is 1 if that is among the first
  k hits. This is the capped recall of BEIR (Thakur et al., NeurIPS Datasets and Benchmarks 2021); trec_eval divides by
  n, and so no ranking of a question with two places would have a recall@1 above 0.5.
- MRR@10: 1 / the rank of the first right hit, 0 if none is among the first 10 (mean reciprocal rank: Voorhees, TREC-8
  1999; its cut at 10 is that of MS MARCO).
- nDCG@10: the sum of 1 / log2(rank + 1) over the right ones of the first 10 hits, divided by the sum over the ranks 1
  to min(10, n) (Järvelin and Kekäläinen, ACM TOIS 20, 2002; with this discount, trec_eval and BEIR).

Over several questions, a measure is the mean of the questions' own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log2
from statistics import fmean

DEPTH = 10
"""Hits of a search that are looked at."""

RECALLS = (1, 5)

RECIPROCAL_RANK = f"MRR@{DEPTH}"
GAIN = f"nDCG@{DEPTH}"

MEASURES = (*(f"recall@{k}" for k in RECALLS), RECIPROCAL_RANK, GAIN)
"""The names of the measures, in their order."""

Scores = Mapping[str, float]
"""A value for each of MEASURES."""


def scores_of(right: Sequence[bool], places: int) -> Scores:
    """The measures of one question.

    Args:
        right: for each hit, the best first, whether it is a place that answers the question, and no earlier hit was.
        places: the number of places that answer it, at least 1.
    """
    right = right[:DEPTH]
    ranks = [rank for rank, is_right in enumerate(right, 1) if is_right]
    scores = {f"recall@{k}": sum(right[:k]) / min(k, places) for k in RECALLS}
    scores[RECIPROCAL_RANK] = 1 / ranks[0] if ranks else 0.0
    scores[GAIN] = _gain(ranks) / _gain(range(1, min(DEPTH, places) + 1))
    return scores


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """The measures of at least one question, from those of each."""
    return {measure: fmean(one[measure] for one in scores) for measure in MEASURES}


def _gain(ranks: Sequence[int]) -> float:
    return sum(1 / log2(rank + 1) for rank in ranks)
