"""Spaces that are drawn twice part no words."""

import pymupdf
import pytest

from read_pdfs import texts_of

TEXT = "the keeper climbs the tower at dusk and trims the wick before the lamp is lit in the tower"


def drawn(*backs):
    """A line whose spaces are drawn again, at their places, after so many letters of the next word, in turn."""
    with pymupdf.open() as document:
        page = document.new_page(width=800)
        page.insert_text((60, 60), "place", fontsize=10)
        (contents,) = page.get_contents()
        font = document.xref_stream(contents).split(b"/")[1].split()[0].decode()
        parts, x = [f"BT /{font} 10 Tf 1 0 0 1 60 700 Tm"], 60.0
        space = pymupdf.get_text_length(" ", fontsize=10)
        for index, word in enumerate(TEXT.split()):
            for number, letter in enumerate(word):
                parts.append(f"1 0 0 1 {x:.2f} 700 Tm ({letter}) Tj")
                x += pymupdf.get_text_length(letter, fontsize=10)
                if index and number + 1 == min(backs[index % len(backs)], len(word)):
                    behind = x - pymupdf.get_text_length(word[: number + 1], fontsize=10) - space
                    parts.append(f"1 0 0 1 {behind:.2f} 700 Tm ( ) Tj")
            parts.append(f"1 0 0 1 {x:.2f} 700 Tm ( ) Tj")
            x += space
        document.update_stream(contents, " ".join([*parts, "ET"]).encode())
        return texts_of(document)


@pytest.mark.parametrize("backs", [(1,), (1, 2), (1, 3)])
def test_spaces_that_are_drawn_behind_the_first_letters_of_a_word_part_nothing(backs):
    assert drawn(*backs) == [TEXT]
