"""Tokenizers that count the tokens of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def tokenizer_of(tokenizer_json: str) -> Tokenizer:
    """A tokenizer that counts the tokens of whole texts.

    Without this, a saved tokenizer may truncate at the model's limit or pad to it, and all long texts count the same.

    Args:
        tokenizer_json: contents of a model's `tokenizer.json`.
    """
    from tokenizers import Tokenizer

    tokenizer: Tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
