"""Models as files of OpenVINO, which each node makes once from the loaded model, and keeps.

Importing torch with sentence-transformers or open_clip takes 9 to 18 s, OpenVINO 0.3 s: on CPUs, every process but the
first of a node starts at once. The file has the weights as they are, and is mapped into memory: with BGE-M3's shape, a
process loads it in 2 s, and has 0.7 GB of its own in bfloat16. A model that cannot be converted is used as it is, and
the reason is kept, so that it is not tried each time.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar

from ingest.common.cpu_inference import instructions
from ingest.common.text import one_line
from ingest.models.conversion import KeptModel
from ingest.models.conversion_errors import NotConvertibleError

T = TypeVar("T")
M = TypeVar("M")

REVISION = 6
"""Increase it when the conversion changes; nodes then convert their models again."""

KEPT_DAYS = 30
"""Days after which a file goes that no process has loaded, such as that of an earlier version of OpenVINO. What was
found out about a model that could not be converted is forgotten after as many days."""

WAIT_SECONDS = 900.0
"""The longest wait for another process that makes the file: a model of gigabytes may come from the hub meanwhile."""

_MODEL, _SETTINGS = "model.xml", "settings.json"
_REFUSED = "refused"
"""The setting with the reason for which a model cannot be converted, in place of all others."""
_SECONDS_BETWEEN_TRIES = 0.2


class ModelCache:
    """The node's file of one model.

    Args:
        kind: kind of the model, part of the folder's name.
        weights: tells the model's weights from all others.
        home: the folder of all files; by default `$XDG_CACHE_HOME/airflow-ray-ingest/openvino`.
    """

    def __init__(self, kind: str, weights: str, home: Path | None = None) -> None:
        # Nodes of several kinds may share the folder, and the precision depends on the CPU.
        key = f"{REVISION} {importlib.metadata.version('openvino')} {instructions()} {weights}"
        self._name = f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:24]}"
        self._home = home

    @property
    def _folder(self) -> Path:
        """Raises OSError if this user has no home."""
        return (self._home or _home()) / self._name

    def loaded(
        self, use: Callable[[KeptModel], T], load: Callable[[], M], convert: Callable[[M, Path], dict[str, Any]]
    ) -> T | M:
        """The model's file, made now if this node has none, or the model itself if no file can be made.

        One process of the node makes it, and the others wait, without loading the model themselves.

        Args:
            use: loads the file.
            load: loads the model itself.
            convert: writes the model to a path and returns the settings of the file; it raises NotConvertibleError if
                the model must be used as it is, and OSError if this node has no room for the file now.
        """
        found = self._used(use)
        self._remove_unused()
        if found is not None:
            return found
        if self._is_refused():
            return load()
        with self._turn() as ours:
            if (found := self._used(use)) is not None:
                return found
            model = load()
            if ours and self._settings() is None:
                self._make(lambda path: convert(model, path))
                found = self._used(use)
            return model if found is None else found

    def _used(self, use: Callable[[KeptModel], T]) -> T | None:
        settings = self._settings()
        if settings is None or _REFUSED in settings:
            return None
        with suppress(OSError):  # a folder that can only be read
            os.utime(self._folder / _SETTINGS)
        try:
            return use(KeptModel(self._folder / _MODEL, settings))
        except Exception as error:  # OpenVINO's errors have no common class; a full disk may have cut the file off
            _log().warning("%s cannot be loaded, and is made again (%s)", self._folder, one_line(error))
            shutil.rmtree(self._folder, ignore_errors=True)
            return None

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        """Whether this process makes the file in the block, and no other one of the node. It waits for its turn."""
        try:
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            lock = self._folder.with_suffix(".lock").open("w")
        except OSError as error:
            _log_no_file(error)
            yield False
            return
        with lock:
            yield _locked(lock)

    def _make(self, convert: Callable[[Path], dict[str, Any]]) -> None:
        partial = self._folder.with_suffix(".partial")
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            settings = self._settings_of(convert, partial)
            (partial / _SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
            shutil.rmtree(self._folder, ignore_errors=True)  # without settings: whoever removed it was interrupted
            partial.rename(self._folder)
        except (OSError, MemoryError) as error:  # the node is to blame and not the model
            _log_no_file(error)
            shutil.rmtree(partial, ignore_errors=True)

    def _settings_of(self, convert: Callable[[Path], dict[str, Any]], partial: Path) -> dict[str, Any]:
        """Convert the model, or return why it cannot be converted."""
        try:
            return convert(partial / _MODEL)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # torch's tracing raises whatever the model's code raises
            reason = str(error) if isinstance(error, NotConvertibleError) else f"{type(error).__name__}: {error}"
            _log().warning("a model is used through torch and not through OpenVINO: %s", one_line(reason, 300))
            for file in partial.iterdir():
                file.unlink()
            return {_REFUSED: one_line(reason, 300)}

    def _is_refused(self) -> bool:
        return _REFUSED in (self._settings() or {})

    def _settings(self) -> dict[str, Any] | None:
        try:
            return json.loads((self._folder / _SETTINGS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _remove_unused(self) -> None:
        oldest = time.time() - KEPT_DAYS * 24 * 3600
        with suppress(OSError):  # another process removes the same folder
            for folder in self._folder.parent.iterdir():
                settings = folder / _SETTINGS
                used = settings if settings.exists() else folder  # a conversion that was killed has none
                if folder.is_dir() and used.stat().st_mtime < oldest:
                    shutil.rmtree(folder, ignore_errors=True)


def _locked(lock: IO[str]) -> bool:
    """Lock a file, for which this process waits; False if that is not possible, or takes too long."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_SECONDS_BETWEEN_TRIES)
        except OSError as error:  # a file system without locks
            _log_no_file(error)
            return False


def _home() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(cache or Path.home() / ".cache") / "airflow-ray-ingest" / "openvino"
    except RuntimeError:  # a user id without an entry, as some clusters give it to containers
        raise OSError("this user has no home folder; set XDG_CACHE_HOME") from None


def _log_no_file(error: BaseException) -> None:
    _log().warning("no file of a model is kept on this node, so that each process uses torch (%s)", one_line(error))


def _log() -> logging.Logger:
    return logging.getLogger(__name__)
