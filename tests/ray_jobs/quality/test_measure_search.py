"""measure_search.py measures the search of an ingested library by the questions of the demo."""

import json

import pytest

from embedded.pdfs import QUESTIONS

CHINESE = [question for question in QUESTIONS if not question.text.isascii()]
MODES = ("dense", "words", "hybrid")


@pytest.fixture(scope="module")
def measure(plain_jobs, library, minilm_path, tmp_path_factory):
    """Runs the command on the demo's questions, of which one more has no answer."""
    rows = [
        {"question": question.text, "source": question.file, "page": question.page,
         "language": "zh" if question in CHINESE else "en"}
        for question in QUESTIONS
    ]  # fmt: skip
    rows.append({"question": "How old do bees become?", "source": "no/such.pdf", "page": 1, "language": "en"})
    path = tmp_path_factory.mktemp("questions") / "questions.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    flags = ["--questions", str(path), "--collection", library.collection, "--embedding-model", minilm_path]

    def run(*more):
        result = plain_jobs.run("measure_search.py", *flags, *more)
        assert result.code == 0, result.stderr
        return result

    return run


@pytest.fixture(scope="module")
def result(measure):
    return measure("--json")


@pytest.fixture(scope="module")
def means(result):
    return {(row["group"], row["search"]): row for row in json.loads(result.stdout)["means"]}


def test_all_questions_are_asked_in_all_ways_and_grouped_by_language(means):
    counts = {key: row["questions"] for key, row in means.items()}
    asked = {"texts": len(QUESTIONS) + 1, "language en": len(QUESTIONS), "language zh": 1}
    assert counts == {(group, mode): count for group, count in asked.items() for mode in MODES}


def test_the_demo_s_questions_find_their_pages(means):
    assert means["texts", "hybrid"]["recall@5"] == pytest.approx(len(QUESTIONS) / (len(QUESTIONS) + 1))
    assert means["language zh", "words"]["recall@1"] == 1
    assert all(0.5 < means["texts", mode]["MRR@10"] < 1 for mode in MODES)


def test_a_source_that_was_not_ingested_is_named_with_its_line(result):
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("WARNING")]
    assert f"questions.jsonl', line {len(QUESTIONS) + 1}: no row has the source 'no/such.pdf'" in line


def test_a_later_run_shows_before_and_after(measure, result, tmp_path):
    before = json.loads(result.stdout)
    (question,) = [one for one in before["questions"] if one["language"] == "zh"]
    question["scores"]["words"] = dict.fromkeys(question["scores"]["words"], 0.0)
    path = tmp_path / "before.json"
    path.write_text(json.dumps(before))
    lines = [line.split() for line in measure("--before", str(path)).stdout.splitlines()]
    (line,) = [line for line in lines if line[:3] == ["language", "zh", "words"] and "->" in line]
    assert line[3:] == ["1", *["0.000", "->", "1.000"] * 4, "1", "0"]
    (line,) = [line for line in lines if line[:3] == ["language", "zh", "hybrid"] and "->" in line]
    assert line[-2:] == ["0", "0"]
