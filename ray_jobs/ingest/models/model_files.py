"""Find the files of a model in a folder or on the model hub, and tell models apart by them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from ingest.common.errors import ConfigurationError

WEIGHT_PATTERNS = ("*.safetensors", "*.bin")
_SMALL_PATTERNS = ("*.json", "*.jinja", "vocabulary.txt")
_SAMPLE_BYTES = 1 << 20
_MAX_SMALL_BYTES = 64 << 20


def find_folder(name: str, flag: str, qualified: Callable[[str], str], patterns: list[str]) -> tuple[Path, bool]:
    """A folder with the model's small files, and whether it is a local folder that the user named.

    Args:
        name: a folder, or a name on the hub.
        flag: the flag that gives the name, for the error message.
        qualified: returns the full name on the hub.
        patterns: the files to download from the hub.

    Raises:
        ConfigurationError: the model does not exist, or the hub cannot be reached.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path.resolve(), True
    if path.is_absolute() or name.startswith((".", "~")):
        raise ConfigurationError(f"{flag} {name!r}: there is no such folder on the node that runs the job")
    # Imported here, since the import takes half a second and a local model does not need it.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(qualified(name), allow_patterns=patterns)), False
    except HFValidationError:
        reason = "its name is not a valid hub name"
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403, 404):
            reason = "the hub has no such model, or it needs a token (HF_TOKEN)"
        else:
            reason = "it is not in the local cache and the model hub cannot be reached"
    raise ConfigurationError(
        f"{flag} {name!r} was not found: it is no folder, and {reason}; check the name or give the path of a local copy"
    )


def weights_identity(name: str, flag: str, qualified: Callable[[str], str], patterns: list[str]) -> str:
    """Tells the weights of a model from all others: a digest of its folder, or its commit on the hub.

    The arguments and errors are those of `find_folder`.
    """
    folder, is_local = find_folder(name, flag, qualified, patterns)
    # The folder of a model of the hub has the name of its commit, and may lack the weights as yet.
    return folder_digest(folder) if is_local else f"{qualified(name)} {folder.name}"


def folder_digest(folder: Path) -> str:
    """Hexadecimal SHA-256 of the model in a folder: its small files, and size and both ends of each weight file.

    Weights take gigabytes; their first and last MiB tell two versions apart.
    """
    total = hashlib.sha256()
    weights = {path for pattern in WEIGHT_PATTERNS for path in folder.rglob(pattern)}
    small = {
        path for pattern in _SMALL_PATTERNS for path in folder.rglob(pattern) if path.stat().st_size < _MAX_SMALL_BYTES
    }
    for path in sorted(weights | small):
        size = path.stat().st_size
        total.update(f"{path.relative_to(folder)}:{size}\n".encode())
        with path.open("rb") as file:
            total.update(file.read(_SAMPLE_BYTES))
            if size > _SAMPLE_BYTES:
                file.seek(max(_SAMPLE_BYTES, size - _SAMPLE_BYTES))
                total.update(file.read(_SAMPLE_BYTES))
    return total.hexdigest()


def weight_bytes(folder: Path) -> int:
    """Bytes of the weights in a folder. It may hold them in several formats, of which a process loads one."""
    return max((sum(path.stat().st_size for path in folder.rglob(pattern)) for pattern in WEIGHT_PATTERNS), default=0)
