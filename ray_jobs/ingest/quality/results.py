"""Results of a measurement: means by language and kind, JSON to keep, and the comparison of two of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.common.errors import ConfigurationError
from ingest.common.text import one_line
from ingest.quality.measuring import Answer, Search
from ingest.quality.metrics import GAIN, MEASURES, Scores, mean_scores
from ingest.search.query import TEXT_KINDS, HitKind

FORMAT = 1
"""Raised when a result of an older command cannot be compared any longer."""

_TEXTS, _PICTURES = "texts", "pictures"
_NO_LANGUAGE = "not given"
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Measured:
    """The scores of one question, by way of searching."""

    text: str
    kind: HitKind
    language: str
    scores: Mapping[str, Scores]

    @property
    def key(self) -> tuple[str, HitKind]:
        """Tells it from the other questions of a test set."""
        return self.text, self.kind


@dataclass(frozen=True, slots=True)
class Result:
    """A whole measurement.

    Attributes:
        models: the name of the model by collection, and that of the cross-encoder under `reranker` if there was one.
    """

    models: Mapping[str, str]
    questions: Sequence[Measured]


@dataclass(frozen=True, slots=True)
class Row:
    """The means of a group of questions in one way of searching.

    Attributes:
        group: such as `texts`, `language zh` or `kind spoken`.
    """

    group: str
    search: str
    questions: int
    scores: Scores


@dataclass(frozen=True, slots=True)
class Change:
    """A group of questions before and after, and how many of them have a better or a worse nDCG than before."""

    group: str
    search: str
    questions: int
    before: Scores
    after: Scores
    better: int
    worse: int


def measured(answers: Iterable[Answer]) -> list[Measured]:
    """What a result keeps of the answers."""
    return [
        Measured(
            one.question.text,
            one.question.kind,
            one.question.language,
            {search.value: scores for search, scores in one.scores.items()},
        )
        for one in answers
    ]


def rows_of(result: Result) -> list[Row]:
    """The means of all groups, each in all ways of searching that were tried."""
    return [
        Row(group, search, len(scores), mean_scores(scores))
        for group, questions in _groups(result.questions)
        for search in Search
        if (scores := [question.scores[search] for question in questions if search in question.scores])
    ]


def compared(before: Result, after: Result) -> list[Change]:
    """The groups of the questions that both results have, in the ways of searching that both have."""
    earlier = {question.key: question for question in before.questions}
    changes = []
    for group, questions in _groups([question for question in after.questions if question.key in earlier]):
        for search in Search:
            pairs = [
                (earlier[question.key].scores[search], question.scores[search])
                for question in questions
                if search in question.scores and search in earlier[question.key].scores
            ]
            if pairs:
                gains = [new[GAIN] - old[GAIN] for old, new in pairs]
                old, new = (mean_scores(scores) for scores in zip(*pairs, strict=True))
                better, worse = sum(gain > _SAME for gain in gains), sum(gain < -_SAME for gain in gains)
                changes.append(Change(group, search, len(pairs), old, new, better, worse))
    return changes


def as_json(result: Result, before: Result | None) -> dict[str, Any]:
    """A result as plain JSON, with the comparison if there is an earlier one."""
    made: dict[str, Any] = {
        "format": FORMAT,
        "models": dict(result.models),
        "means": [
            {"group": row.group, "search": row.search, "questions": row.questions, **row.scores}
            for row in rows_of(result)
        ],
        "questions": [
            {
                "question": question.text,
                "kind": question.kind,
                "language": question.language,
                "scores": {search: dict(scores) for search, scores in question.scores.items()},
            }
            for question in result.questions
        ],
    }
    if before is not None:
        made["models_before"] = dict(before.models)
        made["changes"] = [
            {
                "group": change.group,
                "search": change.search,
                "questions": change.questions,
                "before": dict(change.before),
                "after": dict(change.after),
                "better": change.better,
                "worse": change.worse,
            }
            for change in compared(before, result)
        ]
    return made


def read_result(path: str) -> Result:
    """A result that `as_json` has made.

    Raises:
        ConfigurationError: the file cannot be read, or it is no such result.
    """
    try:
        made = json.loads(Path(path).read_text(encoding="utf-8"))
        if made["format"] != FORMAT:
            raise ValueError(f"its format is {made['format']!r} and not {FORMAT}")
        questions = [
            Measured(
                one["question"],
                HitKind(one["kind"]),
                one["language"],
                {
                    search: {measure: float(scores[measure]) for measure in MEASURES}
                    for search, scores in one["scores"].items()
                },
            )
            for one in made["questions"]
        ]
        return Result({str(name): str(model) for name, model in made["models"].items()}, questions)
    except OSError as error:
        raise ConfigurationError(f"--before {path!r} cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"--before {path!r} is no result of this command ({type(error).__name__}: {one_line(error, 80)}); "
            "make one by --json > FILE"
        ) from None


def _groups(questions: Sequence[Measured]) -> Iterable[tuple[str, list[Measured]]]:
    """Texts and pictures apart, since not all ways of searching are for both; within each by language and by kind."""
    for name in (_TEXTS, _PICTURES):
        members = [question for question in questions if (question.kind in TEXT_KINDS) == (name == _TEXTS)]
        if not members:
            continue
        yield name, members
        for what, value_of in (
            ("language", lambda question: question.language or _NO_LANGUAGE),
            ("kind", lambda question: question.kind.value),
        ):
            values = sorted({value_of(question) for question in members})
            if len(values) > 1:
                for value in values:
                    yield f"{what} {value}", [question for question in members if value_of(question) == value]
