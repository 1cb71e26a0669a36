"""A bad request gets one sentence that names what is wrong, whatever a client sends."""

import base64
import json

import pytest

from ingest.milvus.filters import as_json, written
from ingest.search.query import HitKind, SearchMode
from ingest.service.bodies import Likeness, Question, likeness_in, question_in
from ingest.service.refused import RefusedError


def asked(**fields):
    return question_in(json.dumps(fields).encode())


def test_a_question_alone_has_the_defaults_of_the_command_line():
    assert asked(question="bees") == Question("bees", b"", (), 5, SearchMode.HYBRID, False)


def test_every_field_is_read():
    found = asked(
        question="bees", **{"in": ["pages", "spoken", "pages"]}, limit=3, mode="words", thumbnails=True, rerank=False
    )
    assert found == Question("bees", b"", (HitKind.PAGES, HitKind.SPOKEN), 3, SearchMode.WORDS, True, False)
    assert asked(question="bees", **{"in": "pages, spoken"}, mode=None).kinds == (HitKind.PAGES, HitKind.SPOKEN)
    asked_for = {"tenant": "acme", "year": {">=": 2026, "<": 2028}, "language": ["de", "en"]}
    assert as_json(asked(question="bees", filter=asked_for).conditions) == asked_for | {
        "tenant": {"=": "acme"}, "language": {"=": ["de", "en"]}
    }  # fmt: skip
    assert asked(question="bees", prefix="s3://b/tenant=acme/").prefix == "s3://b/tenant=acme/"
    image = base64.b64encode(b"bytes of a photo").decode()
    assert asked(image=image).image == b"bytes of a photo"
    assert asked(question="bees", context=True).context
    assert likeness_in(b'{"source": "s3://b/a.pdf", "limit": 2}') == Likeness("s3://b/a.pdf", 2)
    likeness = likeness_in(b'{"source": "s3://b/a.pdf", "filter": {"tenant": "acme"}}')
    assert likeness == Likeness("s3://b/a.pdf", 5, written(["tenant=acme"]))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "the body of the request is not JSON in UTF-8"),
        (b"\xff", "the body of the request is not JSON in UTF-8"),
        (b"[" * 100_000, "the body of the request is not JSON in UTF-8"),
        (b'["question"]', "the body of the request is not a JSON object"),
        (b"{}", "give either a question, which is not empty, or an image"),
        (b'{"question": " "}', "give either a question, which is not empty, or an image"),
        (b'{"question": "bees", "image": "YQ=="}', "give either a question, which is not empty, or an image"),
        (b'{"question": 7}', "'question' is not a text"),
        (b'{"question": "\\ud800"}', "'question' has half of a surrogate pair, which is no character"),
        (json.dumps({"question": "b" * 10_001}).encode(), "'question' has more than 10000 characters"),
        (b'{"question": "bees", "limits": 1}', "there is no field 'limits'; there are context, filter, image, in, "),
        (b'{"question": "bees", "limit": 0}', "'limit' is not between 1 and 1000"),
        (b'{"question": "bees", "limit": 1001}', "'limit' is not between 1 and 1000"),
        (b'{"question": "bees", "limit": true}', "'limit' is not a whole number"),
        (b'{"question": "bees", "limit": 1e400}', "'limit' is not a whole number"),
        (b'{"question": "bees", "limit": 21, "thumbnails": true}', "'limit' is not between 1 and 20 with thumbnails"),
        (b'{"question": "bees", "thumbnails": 1}', "'thumbnails' is not true or false"),
        (b'{"question": "bees", "context": "page"}', "'context' is not true or false"),
        (b'{"question": "bees", "limit": 101, "context": true}', "'limit' is not between 1 and 100 with context"),
        (b'{"question": "bees", "rerank": "no"}', "'rerank' is not true or false"),
        (b'{"question": "bees", "mode": "fuzzy"}', "'mode' names any of hybrid, dense, words"),
        (b'{"question": "bees", "mode": ["dense"]}', "'mode' names any of hybrid, dense, words"),
        (b'{"question": "bees", "in": ["books"]}', "'in' names any of pages, images, spoken, frames"),
        (b'{"question": "bees", "in": {"pages": 1}}', "'in' is not a list of texts"),
        (b'{"image": "no base64!"}', "'image' is not base64"),
        (b'{"question": "bees", "filter": ["tenant=acme"]}', "'filter': it is no object such as {"),
        (b'{"question": "bees", "filter": {"a b": 1}}', "'filter': 'a b' is no name of a value"),
        (b'{"question": "bees", "filter": {"year": {"like": "2%"}}}', "'filter': 'like' is no operator; there are !="),
        (
            b'{"question": "bees", "filter": {"tenant": {"=": {"x": 1}}}}',
            "'filter': a value of tenant is neither a text",
        ),
    ],
)
def test_what_is_wrong_is_named(body, sentence):
    with pytest.raises(RefusedError) as caught:
        question_in(body)
    assert (caught.value.status, caught.value.sentence[: len(sentence)]) == (400, sentence)


def test_a_likeness_needs_an_object():
    with pytest.raises(RefusedError, match="give a source: the full URI of an object"):
        likeness_in(b'{"limit": 2}')


def test_a_likeness_is_one_of_objects_which_have_no_kind():
    with pytest.raises(RefusedError, match="'filter': kind is that of a page, and objects have none") as caught:
        likeness_in(b'{"source": "s3://b/a.pdf", "filter": {"kind": "ocr"}}')
    assert caught.value.status == 400
