"""Results are grouped by language and kind, kept as JSON, and compared question by question."""

import json

import pytest

from ingest.quality.command_line import measure
from ingest.quality.metrics import scores_of
from ingest.quality.results import Measured, Result, as_json, compared, read_result, rows_of
from ingest.quality.tables import comparison, table
from ingest.search.query import HitKind

FIRST, SECOND, NEVER = scores_of([True], 1), scores_of([False, True], 1), scores_of([], 1)


def question(text, kind, language, **scores):
    return Measured(text, kind, language, scores)


RESULT = Result(
    {"documents": "model"},
    [
        question("a", HitKind.PAGES, "en", dense=FIRST, words=NEVER),
        question("b", HitKind.PAGES, "zh", dense=SECOND, words=NEVER),
        question("c", HitKind.SPOKEN, "en", dense=NEVER, words=FIRST),
        question("a", HitKind.IMAGES, "", dense=FIRST),
    ],
)


def test_groups_are_texts_and_pictures_and_within_them_languages_and_kinds():
    rows = {(row.group, row.search): (row.questions, row.scores["recall@1"]) for row in rows_of(RESULT)}
    assert rows == pytest.approx(
        {
            ("texts", "dense"): (3, 1 / 3),
            ("texts", "words"): (3, 1 / 3),
            ("language en", "dense"): (2, 1 / 2),
            ("language en", "words"): (2, 1 / 2),
            ("language zh", "dense"): (1, 0),
            ("language zh", "words"): (1, 0),
            ("kind pages", "dense"): (2, 1 / 2),
            ("kind pages", "words"): (2, 0),
            ("kind spoken", "dense"): (1, 0),
            ("kind spoken", "words"): (1, 1),
            ("pictures", "dense"): (1, 1),
        }
    )


def test_the_table_has_a_line_for_each_group_and_search():
    assert table(RESULT).splitlines()[:3] == [
        "             search  questions  recall@1  recall@5  MRR@10  nDCG@10",
        "texts        dense           3     0.333     0.667   0.500    0.544",
        "texts        words           3     0.333     0.333   0.333    0.333",
    ]


def test_a_result_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(as_json(RESULT, None)))
    assert read_result(str(path)) == RESULT


LATER = Result(
    {"documents": "another model", "reranker": "judge"},
    [
        question("a", HitKind.PAGES, "en", dense=NEVER, reranked=FIRST),
        question("b", HitKind.PAGES, "en", dense=FIRST, reranked=FIRST),
        question("d", HitKind.PAGES, "en", dense=FIRST, reranked=FIRST),
    ],
)


def test_two_results_are_compared_by_the_questions_and_searches_that_both_have():
    (change,) = compared(RESULT, LATER)
    assert (change.group, change.search, change.questions, change.better, change.worse) == ("texts", "dense", 2, 1, 1)
    assert (change.before["MRR@10"], change.after["MRR@10"]) == (0.75, 0.5)


def test_the_table_of_before_and_after_says_what_was_not_compared():
    assert comparison(RESULT, LATER).splitlines() == [
        "before and after, of the 2 questions that both have (2 were only asked before, 1 only now)",
        "documents: model -> another model",
        "reranker: none -> judge",
        "       search  questions        recall@1        recall@5          MRR@10         nDCG@10  better  worse",
        "texts  dense           2  0.500 -> 0.500  1.000 -> 0.500  0.750 -> 0.500  0.815 -> 0.500       1      1",
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is no result of this command (JSONDecodeError"),
        ("[]", "is no result of this command (TypeError"),
        ("{}", "is no result of this command (KeyError"),
        ('{"format": 9}', "its format is 9 and not 1"),
        (json.dumps(as_json(RESULT, None)).replace("pages", "sages"), "'sages' is not a valid HitKind"),
        (None, "cannot be read (No such file or directory)"),
    ],
)
def test_what_is_no_earlier_result_is_refused(content, reason, tmp_path, capsys):
    path, questions = tmp_path / "before.json", tmp_path / "questions.csv"
    questions.write_text("question,source\nWhy?,a.pdf\n")
    if content is not None:
        path.write_text(content)
    flags = ["--milvus-uri", "http://127.0.0.1:1", "--questions", str(questions), "--before", str(path)]
    assert measure(flags, "") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ERROR: --before {str(path)!r} ")
    assert reason in line
