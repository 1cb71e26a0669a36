"""The files of a model, by a name that is a folder or one on the model hub; and what tells two models apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from ingest.common.errors import ConfigurationError

WEIGHTS = ("*.safetensors", "*.bin")
_SMALL = ("*.json", "*.jinja", "vocabulary.txt")
_SAMPLE = 1 << 20


def find_folder(name: str, flag: str, qualified: Callable[[str], str], patterns: list[str]) -> tuple[Path, bool]:
    """A folder with the model's small files, and whether it is the user's own.

    Args:
        name: a folder, or a name on the hub.
        flag: what the user gave it with, for the error.
        qualified: the full name on the hub.
        patterns: the files that are asked of the hub.

    Raises:
        ConfigurationError: there is no such model, or the hub cannot be reached.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path.resolve(), True
    if path.is_absolute() or name.startswith((".", "~")):
        raise ConfigurationError(f"{flag} {name!r}: there is no such folder on the node that runs the job")
    # Imported here: it costs half a second, and a local model does not need it.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(qualified(name), allow_patterns=patterns)), False
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


def digest(folder: Path) -> str:
    """Digest of a folder's model: its small files whole, of the weights their sizes and both ends."""
    total = hashlib.sha256()
    weights = {path for pattern in WEIGHTS for path in folder.rglob(pattern)}
    small = {path for pattern in _SMALL for path in folder.rglob(pattern) if path.stat().st_size < 64 * _SAMPLE}
    for path in sorted(weights | small):
        size = path.stat().st_size
        total.update(f"{path.relative_to(folder)}:{size}\n".encode())
        with path.open("rb") as file:
            total.update(file.read(_SAMPLE))
            if size > _SAMPLE:
                file.seek(max(_SAMPLE, size - _SAMPLE))
                total.update(file.read(_SAMPLE))
    return total.hexdigest()


def weight_bytes(folder: Path) -> int:
    """Bytes of a folder's weights. It may hold the same ones in several formats; one of them is loaded."""
    return max((sum(path.stat().st_size for path in folder.rglob(pattern)) for pattern in WEIGHTS), default=0)
