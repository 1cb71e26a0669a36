"""The flag of a text embedding model, and the check of the longest text against the model."""

from __future__ import annotations

from ingest.common.errors import ConfigurationError
from ingest.models.text_model import TextModel
from ingest.run.flags import Flag

EMBEDDING_MODEL_FLAG = Flag(
    "embedding-model",
    "Text embedding model: a sentence-transformers model by hub name, or a folder.",
    metavar="NAME",
    default="BAAI/bge-m3",
    may_be_path=True,
    title="Text model",
    site_default=True,
)


def check_text_length(flag: str, tokens: int, model: TextModel, name: str, text: str) -> None:
    """Check that a model reads texts of the largest length.

    Args:
        flag: the flag that sets `tokens`.
        tokens: length of the longest text, in tokens of the model.
        name: name of the model, as the user gave it.
        text: the word for such a text, in the singular.

    Raises:
        ConfigurationError: the model would cut off the end of such a text.
    """
    if tokens > model.max_tokens:
        raise ConfigurationError(
            f"{flag} {tokens} is more than {name!r} reads ({model.max_tokens}); the rest of each {text} would be lost"
        )
