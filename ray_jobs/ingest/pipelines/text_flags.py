"""The flag that names a text embedding model, and the check of a text's length against it."""

from __future__ import annotations

from ingest.common.errors import ConfigurationError
from ingest.models.text_model import TextModel
from ingest.run.flags import Flag

EMBEDDING_MODEL = Flag(
    "embedding-model",
    "Text embedding model: a sentence-transformers model by hub name, or a folder.",
    metavar="NAME",
    default="BAAI/bge-m3",
    in_form=True,
    site_default=True,
)


def check_length(flag: str, tokens: int, model: TextModel, name: str, texts: str) -> None:
    """Raises ConfigurationError where a model reads less than the longest text.

    Args:
        flag: sets `tokens`, the longest text.
        name: of the model, as the user gave it.
        texts: what the texts are called, in the singular.
    """
    if tokens > model.max_tokens:
        raise ConfigurationError(
            f"{flag} {tokens} is more than {name!r} reads ({model.max_tokens}); the rest of each {texts} would be lost"
        )
