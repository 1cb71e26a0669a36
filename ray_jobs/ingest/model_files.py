"""The small files of a model, in a folder or on the model hub, and what a folder tells without loading it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ingest.errors import ConfigurationError

_WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.onnx")
_SAMPLE = 1 << 20


def json_of(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def snapshot(flag: str, name: str, patterns: Sequence[str]) -> Path:
    """A folder with those files of a model on the hub whose names match; from the local cache where they are there.

    Args:
        flag: that named the model, for the error.
        name: `org/name`.

    Raises:
        ConfigurationError: the hub has no such model or cannot be reached.
    """
    # Imported here: it costs half a second, and a local model does not need it.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns)))
    except HFValidationError:
        reason = "that is not a valid name"
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403, 404):
            reason = "the hub has no such model, or it needs a token (HF_TOKEN)"
        else:
            reason = "it is not in the local cache and the model hub cannot be reached"
    raise ConfigurationError(
        f"{flag} {name!r} was not found: it is no folder, and {reason}; check the name or give the path of a local copy"
    )


def weight_bytes(folder: Path) -> int:
    """Size of the weights in a folder. It may hold the same ones in several formats; one of them is loaded."""
    return max((sum(path.stat().st_size for path in folder.rglob(pattern)) for pattern in _WEIGHTS), default=0)


def digest_of(folder: Path) -> str:
    """Digest of a folder's model: its small files whole, of the weights their sizes and both ends."""
    digest = hashlib.sha256()
    weights = {path for pattern in _WEIGHTS for path in folder.rglob(pattern)}
    small = {path for path in folder.rglob("*.json") if path.stat().st_size < 64 * _SAMPLE}
    for path in sorted(weights | small):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder)}:{size}\n".encode())
        with path.open("rb") as file:
            digest.update(file.read(_SAMPLE))
            if size > _SAMPLE:
                file.seek(max(_SAMPLE, size - _SAMPLE))
                digest.update(file.read(_SAMPLE))
    return digest.hexdigest()
