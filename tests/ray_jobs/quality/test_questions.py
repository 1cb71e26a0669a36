"""Test sets as programs and people write them are read, and what is wrong in one is named with its line."""

import json
from pathlib import Path

import pytest

from ingest.quality.command_line import measure
from ingest.quality.questions import Place, Question, read_questions
from ingest.search.query import HitKind

CSV = """question,source,page,second,language,kind
How hot?,s3://b/oven.pdf,2,,en,
"When, and where?",talks/day.mp4,,1:12:04.5,en,
什么?,茶.pdf,3,,zh,pages
a red lamp,lamp.PNG,,,,
the same lamp,day.mp4,,7,,FRAMES
"""
QUESTIONS = [
    Question("How hot?", HitKind.PAGES, "en", (Place("s3://b/oven.pdf", 2, None, 2),)),
    Question("When, and where?", HitKind.SPOKEN, "en", (Place("talks/day.mp4", None, 4324.5, 3),)),
    Question("什么?", HitKind.PAGES, "zh", (Place("茶.pdf", 3, None, 4),)),
    Question("a red lamp", HitKind.IMAGES, "", (Place("lamp.PNG", None, None, 5),)),
    Question("the same lamp", HitKind.FRAMES, "", (Place("day.mp4", None, 7, 6),)),
]


@pytest.fixture
def read(tmp_path):
    def write_and_read(content):
        path = tmp_path / "questions"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_questions(str(path))

    return write_and_read


@pytest.mark.parametrize(
    "content",
    [
        CSV,
        CSV.replace("\n", "\r\n"),
        "\ufeff" + CSV,
        CSV.replace('"When, and where?"', '"When, and\twhere?"').replace(",2,,", ",2.0,,").rstrip(),
        CSV.replace('"When, and where?"', "When~ and where?").replace(",", ";").replace("~", ","),
        CSV.replace('"When, and where?"', "When~ and where?").replace(",", "\t").replace("~", ","),
        CSV.replace("question,source", " Question , SOURCE "),
    ],
    ids=["csv", "of Windows", "of Excel", "of pandas", "semicolons", "tabs", "header in capitals"],
)
def test_a_table_is_read(read, content):
    assert read(content) == QUESTIONS


def test_json_lines_are_read(read):
    rows = [
        {"question": "How hot?", "source": "s3://b/oven.pdf", "page": 2, "language": "en", "id": 7},
        {"question": "When, and where?", "source": "talks/day.mp4", "second": 4324.5, "language": "en", "page": None},
        {"question": "什么?", "source": "茶.pdf", "page": 3.0, "language": "zh", "kind": "pages"},
        {"question": "a red lamp", "source": "lamp.PNG", "page": float("nan")},
        {"question": "the same lamp", "source": "day.mp4", "second": "0:07", "kind": "frames"},
    ]
    content = "\n" + "\n".join(json.dumps(row) for row in rows) + "\n"
    assert read(content) == QUESTIONS


def test_rows_with_the_same_question_are_one_question_with_several_places(read):
    (question, other) = read("question,source,page\nWhere?,a.pdf,1\nWhen?,a.pdf,2\nWhere?,b.pdf,3\n\nWhere?,b.pdf,4\n")
    assert [(place.source, place.page, place.line) for place in question.places] == [
        ("a.pdf", 1, 2),
        ("b.pdf", 3, 4),
        ("b.pdf", 4, 6),
    ]
    assert other.text == "When?"


def test_a_value_may_have_several_lines_and_the_lines_are_still_counted(read):
    (first, second) = read('question,source,page\n"How\nhot?",a.pdf,1\nWhere?,b.pdf,2\n')
    assert (first.text, first.line) == ("How hot?", 2)
    assert second.line == 4


HEADER = "question,source,page,second,language,kind\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "has no question; give each a row with question, source, page or second"),
        (HEADER, "has no question; give each a row"),
        ("question,page\nWhy?,2\n", "line 1: the header lacks source; name the columns question, source, page,"),
        (HEADER + "Why?,,1\n", "line 2: it has no source; give one, or remove the line"),
        (HEADER + " ,a.pdf,1\n", "line 2: it has no question; give one"),
        (HEADER + "\u200b,a.pdf,1\n", "line 2: its question has only invisible characters"),
        (HEADER + "Why?,a.pdf,0\n", "line 2: its page '0' is no whole number from 1 on; count the pages"),
        (HEADER + "Why?,a.pdf,2.5\n", "line 2: its page '2.5' is no whole number"),
        (HEADER + "Why?,a.pdf,inf\n", "line 2: its page 'inf' is no whole number"),
        (HEADER + "Why?,a.pdf,iv\n", "line 2: its page 'iv' is no whole number"),
        (
            HEADER + "Why?,a.mp4,,soon\n",
            "line 2: its second 'soon' is no time; give seconds, such as 724.5,",
        ),
        (HEADER + "Why?,a.mp4,,-3\n", "line 2: its second '-3' is no time"),
        (HEADER + "Why?,a.mp4,,nan\n", "line 2: its second 'nan' is no time"),
        (HEADER + "Why?,a.pdf,1,2\n", "line 2: it has a page and a second; keep the one that its source has"),
        (HEADER + "Why?,a.docx\n", "line 2: it has no page, no second and no kind; give its kind, pages, images,"),
        (
            HEADER + "Why?,a.pdf,1,,en,page\n",
            "line 2: its kind 'page' is unknown; give pages, images, spoken or",
        ),
        (HEADER + "Why?,a.pdf,1,,en,spoken\n", "line 2: it has a page, but its kind is spoken; remove one of them"),
        (HEADER + "Why?,a.png,,1,en,images\n", "line 2: it has a second, but its kind is images; remove one of them"),
        (HEADER + "Why?,a.pdf,1\nWhy?,a.pdf,1\n", "line 3: an earlier line has the same question and place; remove"),
        (HEADER + "Why?,a.pdf,1,,en\nWhy?,b.pdf,1,,de\n", "line 3: its question is that of line 2, with another lang"),
        (
            HEADER + "Why, when?,a.pdf,1,,en,pages\n",
            "line 2: it has 7 values for 6 columns; quote a value that has",
        ),
        (
            HEADER + 'Why?,a.pdf,1\n"Why not?,b.pdf,2\nWho?,c.pdf,1\n',
            "line 3: from here on it is no CSV (unexpected",
        ),
        ('{"question": "Why?", "source": "a.pdf"}\n{"question"\n', "line 2: this is no JSON ("),
        (
            '[{"question": "Why?", "source": "a.pdf"}]\n',
            "line 1: this is no JSON object; write one object per line,",
        ),
        ('\n{"question": ["Why?"], "source": "a.pdf"}\n', 'line 2: its question is ["Why?"]; give a text or a number'),
        (
            '{"question": "Why?", "source": "a.pdf", "page": true}\n',
            "line 1: its page is true; give a text",
        ),
        ("question,source\nWarum?,Größe.pdf".encode("latin-1"), "it is not UTF-8; save it as CSV in UTF-8"),
        (CSV.encode("utf-16"), "it is not UTF-8; save it as CSV in UTF-8"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_ends_in_exit_code_2(content, sentence, tmp_path, capsys):
    path = tmp_path / "questions"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert measure(["--milvus-uri", "http://127.0.0.1:1", "--questions", str(path)], "") == 2
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    assert line.startswith(f"ERROR: --questions {str(path)!r}")
    assert sentence in line


@pytest.mark.parametrize(
    ("name", "sentence"), [("none", "there is no such file"), ("", "it cannot be read (Is a directory)")]
)
def test_a_file_that_cannot_be_read_is_named(name, sentence, tmp_path, capsys):
    path = str(tmp_path / name)
    assert measure(["--milvus-uri", "http://127.0.0.1:1", "--questions", path], "") == 2
    assert capsys.readouterr().err == f"ERROR: --questions {path!r}: {sentence}\n"


def test_the_example_of_the_readme_is_read(read):
    text = (Path(__file__).parents[3] / "ray_jobs" / "README.md").read_text(encoding="utf-8")
    example = text.partition("```csv\n")[2].partition("```")[0]
    assert {question.kind for question in read(example)} == {HitKind.PAGES, HitKind.SPOKEN, HitKind.IMAGES}
