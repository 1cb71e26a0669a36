"""search.py answers questions from the collections of a real run."""

import json

import pytest

from embedded.pdfs import QUESTIONS
from ingest.search.quotations import answer_time


@pytest.fixture(scope="module")
def answers(jobs, library):
    """The answers to all questions by search mode: {mode: {question: [(file, page), ...]}}."""
    found = {}
    for mode in ("hybrid", "words"):
        texts = [question.text for question in QUESTIONS]
        result = jobs.run("search.py", "--collection", library.collection, "--json", "--mode", mode, *texts)
        assert result.code == 0, result.stderr
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        found[mode] = {
            line["question"]: [(hit["source"].removeprefix(library.source), hit["page"]) for hit in line["hits"]]
            for line in lines
        }
    return found


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.file)
def test_a_question_finds_its_file_and_page(answers, question):
    assert (question.file, question.page) in answers["hybrid"][question.text][:2]


def test_a_search_by_words_answers_a_chinese_question(answers):
    (question,) = [question for question in QUESTIONS if not question.text.isascii()]
    assert answers["words"][question.text][0] == (question.file, question.page)


def test_a_search_by_words_needs_no_model(plain_jobs, library):
    flags = ["--collection", library.collection, "--mode", "words", "--embedding-model", "/no/such/model"]
    result = plain_jobs.run("search.py", *flags, QUESTIONS[0].text)
    assert result.code == 0, result.stderr
    assert QUESTIONS[0].file in result.stdout
    assert "loading" not in result.stderr


@pytest.mark.parametrize(
    ("conditions", "files"),
    [
        (["department=Finance"], {"good.PDF"}),
        (["year>=2026", "kind=text"], {"good.PDF"}),
        (["year<2026"], set()),
        (["department=Sales", "department=Finance"], {"good.PDF", "long.pdf"}),
        (["pipeline=images"], set()),
    ],
)
def test_a_filter_narrows_a_search_by_words(plain_jobs, library, conditions, files):
    flags = [word for condition in conditions for word in ("--filter", condition)]
    flags += ["--collection", library.collection, "--mode", "words", "--json", "--in", "pages"]
    result = plain_jobs.run("search.py", *flags, "Which ship reached its harbour when the lamp was lit at dusk?")
    assert result.code == 0, result.stderr
    assert {hit["source"].removeprefix(library.source) for hit in json.loads(result.stdout)["hits"]} == files


def test_a_hit_comes_with_its_page_if_that_is_asked_for_and_with_the_values_of_its_owner(plain_jobs, library):
    flags = ["--collection", library.collection, "--mode", "words", "--json", "--in", "pages", "--context"]
    result = plain_jobs.run("search.py", *flags, "--filter", "department=Finance", QUESTIONS[0].text)
    assert result.code == 0, result.stderr
    hits = json.loads(result.stdout)["hits"]
    assert hits and all(hit["text"] in hit["context"] and hit["owner"]["department"] == "Finance" for hit in hits)


def test_a_filter_narrows_a_search_by_meaning_too(jobs, library):
    flags = ["--collection", library.collection, "--json", "--filter", "department=Finance"]
    result = jobs.run("search.py", *flags, QUESTIONS[0].text)
    assert {hit["source"] for hit in json.loads(result.stdout)["hits"]} == {f"{library.source}good.PDF"}


def test_a_bad_filter_is_reported_in_one_sentence(plain_jobs):
    result = plain_jobs.run("search.py", "--filter", "department", "question")
    assert (result.code, result.stdout) == (2, "")
    assert "argument --filter: 'department' is no condition such as tenant=acme" in result.error


def test_every_page_is_listed_once(answers):
    for hits in answers["hybrid"].values():
        assert len(hits) == len(set(hits)) == 5


def test_the_text_output_names_file_page_and_passage(jobs, library):
    question = QUESTIONS[0]
    result = jobs.run("search.py", "--collection", library.collection, "--limit", "1", question.text)
    assert result.code == 0, result.stderr
    assert f"1. page {question.page} of {question.file}   {library.source}{question.file}" in result.stdout
    assert "fog signal" in result.stdout


def test_the_line_about_loading_the_model_goes_to_stderr(plain_jobs, library):
    result = plain_jobs.run("search.py", "--collection", library.collection, "--json", QUESTIONS[0].text)
    assert (result.code, len(result.stdout.splitlines())) == (0, 1), result.stderr
    assert result.stderr.startswith("loading the model ")


def test_a_missing_collection_is_reported_in_one_sentence(plain_jobs):
    result = plain_jobs.run("search.py", "--collection", "never_made_", "question")
    assert (result.code, result.stdout) == (2, "")
    assert "has no collection 'never_made_documents'" in result.error


def test_a_bad_prefix_is_reported_in_one_sentence(plain_jobs):
    result = plain_jobs.run("search.py", "--collection", "a-b", "question")
    assert (result.code, result.stdout) == (2, "")
    assert "cannot begin a collection's name" in result.error


def test_the_time_of_an_answer_is_the_start_of_the_segment_that_shares_most_words():
    row = {"start": 3.0, "end": 16.0, "text": "We begin with bees. 然后讲冰川。 Then glaciers melt.",
           "metadata": {"marks": [[0, 3.0], [20, 9.5], [27, 14.0]]}}  # fmt: skip
    assert answer_time("when do glaciers melt", row) == 14.0
    assert answer_time("为什么冰川会融化", row) == 9.5
    assert answer_time("nothing of it", row) == 3.0
    assert answer_time("anything", {**row, "metadata": {}}) == 3.0


@pytest.mark.parametrize("misheard", ["", "misheard "])
def test_the_time_of_a_quotation_within_a_segment_is_interpolated(misheard):
    words = [f"word{number:02}" for number in range(40)]  # one begins every second, the second half in its own segment
    row = {"start": 10.0, "end": 50.0, "text": " ".join(words), "metadata": {"marks": [[0, 10.0], [140, 30.0]]}}
    asked = " ".join(words[25 + bool(misheard) : 31])
    assert answer_time(misheard + asked, row) == pytest.approx(35.0, abs=0.2)


def test_the_time_of_a_quotation_is_that_of_its_word_where_the_row_has_times_of_words():
    text = "The keeper climbs the tower at dusk and trims the wick before the lamp is lit."
    marks = {"marks": [[0, 10.0]], "words": [[text.index("and trims"), 25.5]]}
    row = {"start": 10.0, "end": 30.0, "text": text, "metadata": marks}
    assert answer_time("and trims the wick before", row) == 25.5
    assert 18 < answer_time("and trims the wick before", {**row, "metadata": {"marks": marks["marks"]}}) < 20
