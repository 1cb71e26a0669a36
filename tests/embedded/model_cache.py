"""Folders that are built once per user and kept between runs, as models made from packaged weights are.

A folder's name carries a digest of all that it is made from, so a change makes another one. It is built under a lock
and moved into place when it is complete: whoever sees it sees all of it, and a build that was killed is done again.
"""

import fcntl
import hashlib
import importlib.metadata
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path


class WeightsError(Exception):
    """A packaged file is not the one that was tried."""


def cache_home() -> Path:
    """Where this user's built folders are: `$XDG_CACHE_HOME/airflow-ray-ingest`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "airflow-ray-ingest"


def made_from(code: str, packages: Iterable[str]) -> str:
    """Describe what shapes a built folder: the file of the code that builds it, and installed distributions."""
    versions = [f"{package}=={importlib.metadata.version(package)}" for package in packages]
    return "\n".join([Path(code).read_text("utf-8"), *versions])


def cached(name: str, sources: str, build: Callable[[Path, Path], None], home: Path | None = None) -> Path:
    """The folder `name`, built now if this user has none of the same sources.

    sources: all that the folder is made from; see `made_from`.
    build: called with an empty folder to fill, and the path it will have when it is complete.
    home: keep it there instead of in `cache_home()`.
    """
    home = (home or cache_home()).resolve()
    final = home / f"{name}-{hashlib.sha256(sources.encode()).hexdigest()[:16]}"
    if final.is_dir():
        return final
    home.mkdir(parents=True, exist_ok=True)
    with (home / f"{final.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the system lets go of it when the process dies
        if not final.is_dir():
            partial = home / f"{final.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            build(partial, final)
            partial.rename(final)
    return final


def verified(file: Path, sha256: str) -> Path:
    """`file`, if its content is what was tried; raises WeightsError otherwise."""
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        raise WeightsError(
            f"{file.name} has the SHA-256 {found}, not {sha256}: its package is not the one that was tried"
        )
    return file
