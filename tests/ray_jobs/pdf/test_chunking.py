"""Chunking with the tokenizer of a real model."""

import itertools
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from ingest.milvus.schema import TEXT_LENGTH
from ingest.pdf.chunking import MAX_CHARACTERS, ChunkSettings, chunk_pages
from ingest.pdf.structure import Block, Page

ENGLISH = "The keeper climbs the tower at dusk. He trims the wick, and he writes the hour into the log.\n\n" * 40
CHINESE = "云岭绿茶的冲泡水温是八十度，第一泡静置两分钟。第二泡稍长一些；茶叶沉底以后再饮用。" * 60


@pytest.fixture(scope="module")
def tokenizer_json(minilm_path):
    return (Path(minilm_path) / "tokenizer.json").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def count(tokenizer_json):
    """Counts the tokens of a text, without special tokens."""
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def split(text, tokenizer_json, tokens=60, overlap=0, number=1):
    page = Page(number, [Block(text)])
    return [chunk.text for chunk in chunk_pages([page], tokenizer_json, ChunkSettings(tokens, overlap))]


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, ENGLISH + CHINESE], ids=["english", "chinese", "both"])
@pytest.mark.parametrize("tokens", [8, 60, 250])
def test_no_chunk_has_more_tokens_than_allowed(text, tokens, tokenizer_json, count):
    chunks = split(text, tokenizer_json, tokens)
    assert len(chunks) > 1
    assert max(count(chunk) for chunk in chunks) <= tokens


@pytest.mark.parametrize(
    "text", [ENGLISH, CHINESE, "a-b" * 5000, " x\n\n\ty " * 500], ids=["en", "zh", "long", "space"]
)
def test_only_white_space_is_lost(text, tokenizer_json):
    assert "".join("".join(split(text, tokenizer_json)).split()) == "".join(text.split())


def test_chunks_are_more_than_half_full_on_average(tokenizer_json, count):
    sizes = [count(chunk) for chunk in split(ENGLISH, tokenizer_json, 200)]
    assert sum(sizes[:-1]) / len(sizes[:-1]) > 100


def test_a_short_paragraph_is_not_split(tokenizer_json):
    paragraphs = [f"Paragraph {number} is about the lamp, the fog signal and the boat." for number in range(20)]
    chunks = split("\n\n".join(paragraphs), tokenizer_json, 40)
    assert all(any(paragraph in chunk for chunk in chunks) for paragraph in paragraphs)


def test_a_chunk_belongs_to_one_page(tokenizer_json):
    pages = [Page(1, [Block("alpha " * 100)]), Page(2, []), Page(3, [Block("gamma " * 100)])]
    chunks = list(chunk_pages(pages, tokenizer_json, ChunkSettings(60, 0)))
    assert {(chunk.page, word) for chunk in chunks for word in chunk.text.split()} == {(1, "alpha"), (3, "gamma")}
    assert [chunk.page for chunk in chunks] == sorted(chunk.page for chunk in chunks)


def test_a_page_without_text_has_no_chunk(tokenizer_json):
    assert split(" \n\n \t ", tokenizer_json) == []


@pytest.mark.parametrize(
    "letter", [pytest.param("x", marks=pytest.mark.nightly), pytest.param("文", marks=pytest.mark.nightly), "🙂"]
)
def test_chunks_of_a_megabyte_without_spaces_fit_into_a_varchar(letter, tokenizer_json):
    text = letter * (1_000_000 // len(letter.encode()))
    chunks = split(text, tokenizer_json, 200)
    assert "".join(chunks) == text
    assert max(len(chunk) for chunk in chunks) <= MAX_CHARACTERS
    assert max(len(chunk.encode()) for chunk in chunks) <= TEXT_LENGTH


def test_the_time_limit_begins_anew_at_each_page(tokenizer_json, monkeypatch):
    from ingest.pdf import chunking

    said = []
    monkeypatch.setattr(chunking, "report_progress", lambda: said.append("progress"))
    list(chunk_pages([Page(number, [Block("a word")]) for number in (1, 2, 3)], tokenizer_json, ChunkSettings(9, 0)))
    assert len(said) == 3


def test_overlap_repeats_the_end_of_the_previous_chunk(tokenizer_json, count):
    text = " ".join(f"word{number}" for number in range(400))
    chunks = split(text, tokenizer_json, 60, overlap=20)
    for before, after in itertools.pairwise(chunks):
        shared = [word for word in after.split() if word in before.split()]
        assert shared == before.split()[-len(shared) :]
        assert 0 < count(" ".join(shared)) <= 20
    assert max(count(chunk) for chunk in chunks) <= 60


def test_without_overlap_no_word_is_repeated(tokenizer_json):
    words = [f"word{number}" for number in range(400)]
    assert " ".join(split(" ".join(words), tokenizer_json)).split() == words


def test_truncation_in_the_tokenizer_file_is_ignored(tokenizer_json, count):
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=16)
    chunks = split(ENGLISH, tokenizer.to_str(), 60)
    assert max(count(chunk) for chunk in chunks) <= 60


def test_a_chunk_has_the_headings_above_its_beginning(tokenizer_json):
    body = "The keeper climbs the tower at dusk. " * 3
    blocks = [
        Block("Lights", ("Lights",)),
        Block(body, ("Lights",)),
        Block("Fog", ("Lights", "Fog")),
        Block(body, ("Lights", "Fog")),
    ]
    chunks = list(chunk_pages([Page(1, blocks)], tokenizer_json, ChunkSettings(30, 0)))
    assert [chunk.metadata["headings"] for chunk in chunks] == [["Lights"], ["Lights", "Fog"]]
    assert chunks[1].text.startswith("Fog")


def test_headings_are_right_after_the_first_piece_of_a_long_page(tokenizer_json):
    blocks = [Block("alpha " * MAX_CHARACTERS, ("A",)), Block("beta " * 400, ("B",))]
    chunks = list(chunk_pages([Page(1, blocks)], tokenizer_json, ChunkSettings(200, 0)))
    assert {(chunk.text.split()[0], *chunk.metadata["headings"]) for chunk in chunks} == {("alpha", "A"), ("beta", "B")}


def test_a_table_that_fits_is_one_chunk(tokenizer_json):
    blocks = [Block("Before"), Block("|Port|Depth|\n|---|---|\n|North|9 m|", table=True), Block("After")]
    chunks = list(chunk_pages([Page(1, blocks)], tokenizer_json, ChunkSettings(60, 0)))
    assert [(chunk.text, chunk.metadata) for chunk in chunks] == [
        ("Before", {}),
        ("|Port|Depth|\n|---|---|\n|North|9 m|", {"table": True}),
        ("After", {}),
    ]


def test_a_long_table_is_split_between_rows_and_repeats_the_first_row(tokenizer_json, count):
    rows = [f"|Harbour {number}|{number} m|" for number in range(40)]
    block = Block("\n".join(["|Port|Depth|", "|---|---|", *rows]), table=True)
    chunks = [chunk.text for chunk in chunk_pages([Page(1, [block])], tokenizer_json, ChunkSettings(60, 0))]
    assert len(chunks) > 1
    assert all(chunk.startswith("|Port|Depth|\n|---|---|\n") for chunk in chunks)
    assert [row for chunk in chunks for row in chunk.split("\n")[2:]] == rows
    assert max(count(chunk) for chunk in chunks) <= 60


def table_of(rows):
    head, *others = ["|" + "|".join(row) + "|" for row in rows]
    return Block("\n".join([head, "|---" * len(rows[0]) + "|", *others]), table=True)


def cells_of(chunk):
    return [cell for line in chunk.split("\n") for cell in line.split("|") if cell.strip("-")]


@pytest.mark.parametrize("columns", [3, 26, 60])
@pytest.mark.parametrize("tokens", [40, 200])
def test_a_table_of_any_width_repeats_no_chunk_and_keeps_rows_and_titles_together(
    columns, tokens, tokenizer_json, count
):
    rows = [[f"berth {row}", *(f"{row}x{column}" for column in range(1, columns))] for row in range(40)]
    block = table_of([["berth", *(f"quantity {column}" for column in range(1, columns))], *rows])
    chunks = [chunk.text for chunk in chunk_pages([Page(1, [block])], tokenizer_json, ChunkSettings(tokens, 0))]
    assert len(chunks) == len(set(chunks))
    places = {cell: set(cells) for cells in map(cells_of, chunks) for cell in cells}
    for row, column in itertools.product(range(40), range(1, columns)):
        assert {f"berth {row}", f"quantity {column}"} <= places[f"{row}x{column}"]
    assert max(count(chunk) for chunk in chunks) <= tokens


@pytest.mark.parametrize("long", [(1, 0), (1, 1), (0, 0), (0, 1)], ids=["label", "cell", "first title", "title"])
def test_a_cell_longer_than_a_chunk_is_cut_below_its_title(long, tokenizer_json, count):
    rows = [["berth", "remark"], ["north", "none"], ["south", "dredged"], ["east", "none"]]
    rows[long[0]][long[1]] = " ".join(f"word{number}" for number in range(300))
    chunks = [chunk.text for chunk in chunk_pages([Page(1, [table_of(rows)])], tokenizer_json, ChunkSettings(60, 0))]
    assert len(chunks) == len(set(chunks))
    text = "\n".join(chunks)
    assert all(f"word{number}" in text for number in range(300))
    assert all(cell in text for row in rows for cell in row if len(cell) < 20)
    assert max(count(chunk) for chunk in chunks) <= 60
    if long == (1, 1):
        assert all("|berth|remark|" in chunk and "north" in chunk for chunk in chunks if "word150" in chunk)
