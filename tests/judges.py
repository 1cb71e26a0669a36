"""A cross-encoder of the usual shape with random weights: it judges as decidedly as a trained one, but not as well."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def save_judge(folder: Path, tokenizer: str) -> str:
    """Write a cross-encoder with the vocabulary of the model in the folder `tokenizer`; returns its path."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    torch.manual_seed(1)
    words = AutoTokenizer.from_pretrained(tokenizer)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(words), num_labels=1, initializer_range=0.5, **shape)
    BertForSequenceClassification(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return str(folder)


def judged(path: str, question: str, texts: list[str]) -> np.ndarray:
    """The scores that transformers itself gives, one pair at a time."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    words, model = AutoTokenizer.from_pretrained(path), AutoModelForSequenceClassification.from_pretrained(path).eval()
    with torch.inference_mode():
        found = [model(**words(question, text, return_tensors="pt", truncation=True)).logits.item() for text in texts]
    return np.array(found)
