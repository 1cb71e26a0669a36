"""Models whose configuration lacks the prompts that they were trained with get them by their names."""

import json
import shutil

import pytest

from ingest.models.text_model import E5_PROMPTS, added_prompts, find_text_model


@pytest.mark.parametrize(
    "name",
    [
        "intfloat/multilingual-e5-small",
        "intfloat/multilingual-e5-base",
        "intfloat/multilingual-e5-large",
        "intfloat/e5-small-v2",
        "intfloat/e5-large",
        "intfloat/e5-base-unsupervised",
        "/models/Multilingual-E5-small",
    ],
)
def test_e5_reads_whether_a_text_is_a_question_or_a_passage(name):
    assert added_prompts(name) == E5_PROMPTS


@pytest.mark.parametrize(
    "name",
    [
        "BAAI/bge-m3",
        "intfloat/multilingual-e5-large-instruct",
        "intfloat/e5-mistral-7b-instruct",
        "company/legal-e5-small",
        "sentence-transformers/all-MiniLM-L6-v2",
    ],
)
def test_other_models_get_no_prompts(name):
    assert added_prompts(name) == {}


def test_bge_reads_an_instruction_before_questions_alone():
    assert list(added_prompts("BAAI/bge-small-zh-v1.5")) == ["query"]


def test_rows_that_were_embedded_without_the_prompt_are_those_of_another_model(minilm_path, tmp_path):
    identities = []
    for name, prompts in (
        ("a-model", {}),
        ("e5-small", {}),
        ("e5-small-v2", {"document": "passage: "}),
        ("e5-base", {"passage": "passage: "}),
        ("e5-large", {"document": ""}),
    ):
        folder = tmp_path / name
        shutil.copytree(minilm_path, folder, ignore=shutil.ignore_patterns("*.safetensors", "*.bin", "*.onnx"))
        (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
        identities.append(find_text_model(str(folder)).identity)
    assert [identity.endswith(" passage: ") for identity in identities] == [False, True, False, False, True]
