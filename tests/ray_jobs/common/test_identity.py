"""Ids and fingerprints: a change of either would duplicate every row, or process every object again."""

import itertools

from ingest.common.identity import ID_LENGTH, fingerprint, row_id, row_ids


def test_ids_equal_those_of_the_first_release():
    assert row_id("s3://bucket/a.pdf", "0cc175b9c0f1b6a8", "f1e2d3c4b5a69788", 0) == "5670aea6cab16fecf534addc65d39b56"
    assert row_id("s3://bucket/文 件.pdf", "v", "f", 12) == "ccf1f3754853d85469b7aa21e9b6521f"


def test_fingerprints_equal_those_of_the_first_release():
    assert fingerprint("pdfs", 1, {"model": "BAAI/bge-m3", "tokens": 200, "overlap": 0}) == "253d21b8a4af9f32"


def test_an_id_has_lower_case_hexadecimal_characters_of_its_length():
    identifier = row_id("s", "v", "f", 0)
    assert len(identifier) == ID_LENGTH
    assert set(identifier) <= set("0123456789abcdef")


def test_the_borders_between_parts_change_the_id():
    borders = [
        ("ab", "c", "d"),
        ("a", "bc", "d"),
        ("a", "b", "cd"),
        ("", "abc", "d"),
        ("abcd", "", ""),
        ("abc", "d", ""),
    ]
    ids = {row_id(*parts, 1) for parts in borders}
    assert len(ids) == len(borders)


def test_fingerprint_and_ordinal_do_not_run_into_each_other():
    assert row_id("s", "v", "f1", 2) != row_id("s", "v", "f", 12)


def test_every_part_changes_the_id():
    ids = {row_id(*parts) for parts in itertools.product("ab", "vw", "fg", (0, 1))}
    assert len(ids) == 16


def test_row_ids_are_the_ids_of_consecutive_ordinals():
    assert row_ids("s", "v", "f", 2, 5) == [row_id("s", "v", "f", ordinal) for ordinal in range(2, 5)]
    assert row_ids("s", "v", "f", 0, 0) == []


def test_a_fingerprint_depends_on_the_settings_and_not_on_their_order():
    first = fingerprint("pdfs", 1, {"model": "m", "tokens": 200})
    assert fingerprint("pdfs", 1, {"tokens": 200, "model": "m"}) == first
    others = [
        fingerprint("pdfs", 1, {"model": "n", "tokens": 200}),
        fingerprint("pdfs", 1, {"model": "m", "tokens": 201}),
        fingerprint("pdfs", 2, {"model": "m", "tokens": 200}),
        fingerprint("images", 1, {"model": "m", "tokens": 200}),
    ]
    assert len({first, *others}) == 5
