"""A cross-encoder scores pairs of a question and a text; what is none is refused before it is loaded."""

import json
import shutil
from pathlib import Path

import pytest

from ingest.common.errors import ConfigurationError
from ingest.models.cross_encoder import CrossEncoder, find_cross_encoder

ONE_SCORE = {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}}


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (None, "is no usable model (FileNotFoundError"),
        ("{", "is no usable model (JSONDecodeError"),
        ("[]", "is no usable model (ValueError: config.json is no JSON object"),
        (
            '{"architectures": ["BertModel"]}',
            "is no cross-encoder, but BertModel; name one, such as BAAI/bge-reranker-v2",
        ),
        ("{}", "is no cross-encoder, but a model of an unknown kind"),
        (json.dumps({**ONE_SCORE, "id2label": {"0": "no", "1": "yes"}}), "gives a pair 2 scores and not one"),
    ],
)
def test_what_is_no_cross_encoder_is_refused_by_its_small_files(config, sentence, tmp_path):
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(ConfigurationError) as caught:
        find_cross_encoder(str(tmp_path), "--reranker")
    assert str(caught.value).startswith(f"--reranker {str(tmp_path)!r} ")
    assert sentence in str(caught.value)


def test_a_cross_encoder_of_either_format_is_taken(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(ONE_SCORE))
    assert find_cross_encoder(str(tmp_path), "--reranker") == str(tmp_path)
    (tmp_path / "config.json").write_text('{"architectures": ["Qwen3ForCausalLM"]}')
    (tmp_path / "config_sentence_transformers.json").write_text('{"model_type": "CrossEncoder"}')
    assert find_cross_encoder(str(tmp_path), "--reranker") == str(tmp_path)


def test_a_folder_that_does_not_exist_is_named():
    with pytest.raises(ConfigurationError, match="--reranker '/no/such': there is no such folder"):
        find_cross_encoder("/no/such", "--reranker")


@pytest.fixture
def folder(tmp_path, minilm_path):
    """A cross-encoder of two layers with random weights, whose scores a sigmoid would make 1."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    model = BertForSequenceClassification(
        BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, num_labels=1)
    )
    with torch.no_grad():
        model.classifier.weight *= 500
        model.classifier.bias.fill_(100)
    model.save_pretrained(tmp_path)
    for file in Path(minilm_path).glob("*token*"):
        shutil.copy(file, tmp_path)
    return str(tmp_path)


@pytest.mark.nightly
def test_the_scores_are_those_of_the_model_before_any_activation(folder):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    question, texts = "What is lit?", ["The lamp.", "A fog signal " * 20, "lit", "灯在黄昏时点亮。"]
    said = []
    model = CrossEncoder(find_cross_encoder(folder, "--reranker"), said.append)
    tokenizer, by_hand = (
        AutoTokenizer.from_pretrained(folder),
        AutoModelForSequenceClassification.from_pretrained(folder),
    )
    with torch.inference_mode():
        expected = [float(by_hand(**tokenizer(question, text, return_tensors="pt")).logits) for text in texts]
    assert model.scores(question, texts) == pytest.approx(expected, abs=1e-3)
    assert len(set(expected)) == len(texts)
    assert model.scores(question, []) == []
    assert said[0] == f"loading the model {folder}"


@pytest.mark.nightly
def test_a_cross_encoder_that_cannot_be_loaded_ends_in_a_sentence(folder):
    (Path(folder) / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ConfigurationError, match=r"the model .* cannot be loaded \("):
        CrossEncoder(folder, lambda line: None)
