"""Texts in the characters that people type, in every script."""

import unicodedata

import pytest

from ingest.common.text import as_typed


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("Index\u00adfonds", "Indexfonds"),
        ("light\u200bhouse\u200bkeeper", "lighthousekeeper"),
        ("word\u2060joiner \ufeffbyte\ufefforder", "wordjoiner byteorder"),
        ("zero\u200cwidth\u200dnon\u200b\u00ad\u2060joiner\u200e", "zerowidthnonjoiner"),
        ("Cafe\u0301 in Zu\u0308rich", "Café in Zürich"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", "한글"),
        ("eﬃcient ﬁles, ﬆone", "efficient files, stone"),
        ("\ufb13\ufb14", "մնմե"),
        ("\ufb2a\ufb4f", "ש\u05c1אל"),
        ("\ufefb\ufe70", "لا\u064b"),
        ("محـــمد", "محمد"),
        ("２．５％ ＡＢＣ－１２", "2.5% ABC-12"),
        ("ｶﾞｲﾄﾞ ﾊﾟﾝﾌ", "ガイド パンフ"),
        ("⽂⾔", "文言"),
        ("⻓城的⻛⻋", "长城的风车"),
        ("\uf763\uf761\uf766\uf7e9 \uf731\uf739\uf738\uf730, \uf724\uf735", "café 1980, $5"),
        ("\uf6fa\uf6dc\uf6f3 \uf8e9", "œ1t ©"),
        ("葛\U000e0100城", "葛城"),
        ("น\u0e4d\u0e49\u0e32 ຄ\u0ecd\u0eb2", "น้ำ ຄຳ"),
        ("ค\u0e4d\u0e33แปล", "คำแปล"),
        ("กรณ ีท ี ่ท ่าน ต ้อง", "กรณีที่ท่าน ต้อง"),
        ("क्षेेत्र কাা", "क्षेत्र কা"),
        ("Ⅳ 𝒙 ㎏ ㍻ 5µm", "IV x kg 平成 5μm"),
        ("non\u2011breaking", "non-breaking"),
        ("12\u202f000\u00a0km\u3000x\u2028y", "12 000 km x y"),
        ("a\x00b\x07c\ud800d\ufffe", "abcd"),
        ("x\ue000y\ufffdz", "x y z"),
        ("plain\U000e0041\U000e0042 text", "plain text"),
    ],
)
def test_a_typed_word_equals_the_stored_one(stored, typed):
    assert as_typed(stored) == unicodedata.normalize("NFC", typed)
    assert as_typed(as_typed(stored)) == as_typed(stored)


@pytest.mark.parametrize(
    "text",
    [
        "می\u200cخواهم",
        "क्\u200dष र्\u200cक",
        "ශ්\u200dරී",
        "ភាសា\u200bខ្មែរ",
        "สวัสดี น้ำ",
        "हिन्दी ऽऽ தமிழ் கொள்கை",
        "👩\u200d🚀 ❤\ufe0f\u200d🔥",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "你好，世界！《论语》",
        "10⁶ m², x₂, ½, 1º, ①",
        "L’élève – “naïve” … № 5 ™",
        "أَلِف 1445 هـ",
        "שָׁלוֹם",
    ],
)
def test_letters_of_a_script_and_signs_with_a_meaning_stay(text):
    assert as_typed(text) == unicodedata.normalize("NFC", text)


def test_ligatures_that_office_exports_as_capitals_become_letters():
    assert as_typed("the informaƟon of these leƩers") == "the information of these letters"
    assert as_typed("Ɵlkə") == "Ɵlkə"
