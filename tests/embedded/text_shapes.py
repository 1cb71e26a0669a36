"""Text models with random weights: shapes, and not weights, decide their speed and how they convert."""

import json
import shutil
from pathlib import Path


def bge_m3(folder: Path, tokenizer: Path, small: bool, tokens: int = 512) -> Path:
    """A folder for sentence-transformers with the shape of BGE-M3 (568 million parameters; a few when `small`).

    Args:
        tokenizer: a folder with the tokenizer of another model, whose ids are all within the vocabulary.
        tokens: the length of the longest text that it reads; BGE-M3 itself reads 8,192.
    """
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    config = XLMRobertaConfig(
        vocab_size=30_600 if small else 250_037,
        hidden_size=64 if small else 1024,
        num_hidden_layers=2 if small else 24,
        num_attention_heads=4 if small else 16,
        intermediate_size=128 if small else 4096,
        max_position_embeddings=8194,
        type_vocab_size=2,
    )
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = XLMRobertaModel(config)
    model.to("cpu").save_pretrained(folder)
    for file in tokenizer.iterdir():
        if file.name.startswith(("tokenizer", "vocab", "special_tokens")):
            shutil.copy(file, folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": tokens}))
    describe_modules(folder, tokens, config.hidden_size, "cls")
    return folder


def describe_modules(folder: Path, tokens: int, dimension: int, pooling: str) -> None:
    """Make a folder with a model of transformers one of sentence-transformers, whose vectors have the length 1.

    Args:
        tokens: the length of the longest text that it reads.
        pooling: how a text's vector is made of those of its tokens: `cls` or `mean`.
    """
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": tokens, "do_lower_case": False}))
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    described = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(described))
    for path, _ in modules[1:]:
        (folder / path).mkdir()
    settings = {"word_embedding_dimension": dimension, "pooling_mode_cls_token": pooling == "cls"}
    settings |= {"pooling_mode_mean_tokens": pooling == "mean"}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(settings))
