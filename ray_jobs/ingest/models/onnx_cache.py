"""Models as files of OpenVINO, which each node makes once from the loaded model, by way of ONNX, and keeps.

Importing torch with sentence-transformers or open_clip takes 9 to 18 s, OpenVINO 0.3 s: on CPUs, every process but the
first of a node starts at once. The file is used only if its vectors agree with those of the model itself. A model
that cannot be converted is used as it is, and the reason is kept, so that it is tried once.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import io
import json
import logging
import os
import shutil
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ingest.common.cpu_inference import FULL, HALF, CpuSession, compile_onnx, instructions, precisions
from ingest.common.text import one_line

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

T = TypeVar("T")
M = TypeVar("M")

REVISION = 5
"""Increase it when the conversion changes; nodes then convert their models again."""

MAX_WEIGHT_BYTES = 500_000_000
"""Larger models are not converted: it takes four times their size in memory, and loading them takes as long as the
imports."""

MIN_COSINE = {FULL: 0.9999, HALF: 0.99995}
"""Least cosine between the vectors of the file and of the model, by precision. Those of the few samples are compared:
with bfloat16, those of 1,500 other texts were below 0.99995, and above 0.9999."""

_MODEL, _SETTINGS = "model.blob", "settings.json"
_OPSET = 17
"""Version of ONNX's operators: the newest that torch's exporter by tracing writes. That exporter takes 1.3 s for
MiniLM and its file embeds 26 chunks/s on a core; the one by `torch.export` takes 11 s, and its file embeds 23."""


class NotConvertibleError(Exception):
    """The model is used as it is, for the reason in the message."""


@dataclass(frozen=True, slots=True)
class KeptModel:
    """A converted model.

    Attributes:
        path: the file; what `compiled` has written has the precision as its suffix.
        settings: whatever its user needs beside it, as the conversion has returned it, and its `precision`.
    """

    path: Path
    settings: dict[str, Any]

    @property
    def precision(self) -> str:
        """The precision in which its vectors agree with those of the model."""
        return str(self.settings["precision"])

    def session(self, threads: int, precision: str = "") -> CpuSession:
        """Load the model to run on `threads` CPU threads, in its own precision or in full."""
        precision = precision or self.precision
        return CpuSession(self.path.with_suffix(f".{precision}"), threads, precision)


class OnnxCache:
    """The node's file of one model.

    Args:
        kind: kind of the model, part of the folder's name.
        weights: tells the model's weights from all others.
        home: the folder of all files; by default `$XDG_CACHE_HOME/airflow-ray-ingest/onnx`.
    """

    def __init__(self, kind: str, weights: str, home: Path | None = None) -> None:
        # Nodes of several kinds may share the folder.
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

        Args:
            use: loads the file.
            load: loads the model itself.
            convert: writes the model to a path and returns the settings of the file; it raises NotConvertibleError if
                the model must be used as it is.
        """
        if (found := self._used(use)) is not None:
            return found
        model = load()
        self._make(lambda path: convert(model, path))
        found = self._used(use)
        return model if found is None else found

    def _used(self, use: Callable[[KeptModel], T]) -> T | None:
        settings = self._settings()
        if settings is None or "refused" in settings:
            return None
        try:
            return use(KeptModel(self._folder / _MODEL, settings))
        except Exception as error:  # OpenVINO's errors have no common class; a full disk may have cut the file off
            _log().warning("%s cannot be loaded, and is made again (%s)", self._folder, one_line(error))
            shutil.rmtree(self._folder, ignore_errors=True)
            return None

    def _make(self, convert: Callable[[Path], dict[str, Any]]) -> None:
        """Convert the model, unless that was tried before, or another process is at it, for which nobody waits."""
        if self._settings() is not None:
            return
        try:
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            with self._folder.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._settings() is None:
                    self._fill(convert)
        except BlockingIOError:
            pass
        except OSError as error:
            _log().warning("no model is kept as ONNX, so that each process imports torch (%s)", one_line(error))

    def _fill(self, convert: Callable[[Path], dict[str, Any]]) -> None:
        partial = self._folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            settings = convert(partial / _MODEL)
        except OSError:
            raise  # the disk is to blame and not the model
        except Exception as error:  # torch's exporter raises whatever the model's code raises
            reason = str(error) if isinstance(error, NotConvertibleError) else f"{type(error).__name__}: {error}"
            _log().warning("a model is used through torch and not through ONNX: %s", one_line(reason, 300))
            for file in partial.iterdir():
                file.unlink()
            settings = {"refused": one_line(reason, 300)}
        (partial / _SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
        shutil.rmtree(self._folder, ignore_errors=True)  # without settings: whoever removed it was interrupted
        partial.rename(self._folder)

    def _settings(self) -> dict[str, Any] | None:
        try:
            return json.loads((self._folder / _SETTINGS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None


def export(module: Module, inputs: tuple[Tensor, ...], dynamic: dict[str, dict[int, str]], path: Path) -> None:
    """Write a torch module as ONNX, beside `path`, for `compiled`.

    Args:
        inputs: an example of its inputs.
        dynamic: the names of the inputs and of the one output, in order, each with its axes of varying length.

    Raises:
        NotConvertibleError: the module is too large for that.
    """
    import torch

    size = sum(weight.numel() * weight.element_size() for weight in module.parameters())
    if size > MAX_WEIGHT_BYTES:
        raise NotConvertibleError(f"its weights have {size / 1e6:.0f} MB, over {MAX_WEIGHT_BYTES / 1e6:.0f} MB")
    if shutil.disk_usage(path.parent).free < 4 * size:
        raise OSError(f"{path.parent} has no room for it")
    *names, output = dynamic
    was_fast = torch.backends.mha.get_fastpath_enabled()
    # The attention of open_clip's transformers would be a single operator that ONNX does not have.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        # torch prints the whole graph of a module that it cannot convert.
        with torch.no_grad(), warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # of traced branches: the vectors are compared instead
            torch.onnx.export(
                module.eval(), inputs, str(path.with_suffix(".onnx")), dynamo=False, opset_version=_OPSET,
                input_names=names, output_names=[output], dynamic_axes=dynamic,
            )  # fmt: skip
    finally:
        torch.backends.mha.set_fastpath_enabled(was_fast)


def compiled(path: Path, settings: dict[str, Any], compare: Callable[[KeptModel], None]) -> dict[str, Any]:
    """Compile what `export` has written, in the fastest precision that has the vectors of the model.

    Args:
        path: of the files, one for each precision of this CPU; that of `export` is removed.
        settings: of the model.
        compare: calls `check_agreement` with vectors of a kept model.

    Returns:
        The settings, with the precision.

    Raises:
        NotConvertibleError: the vectors would differ in full precision too.
    """
    onnx = path.with_suffix(".onnx")
    for precision in precisions():
        compile_onnx(onnx, precision, path.with_suffix(f".{precision}"))
    onnx.unlink()
    for precision in precisions():
        found = settings | {"precision": precision}
        try:
            compare(KeptModel(path, found))
        except NotConvertibleError:
            if precision == FULL:
                raise
        else:
            break
    return found


def check_agreement(found: np.ndarray, expected: np.ndarray, precision: str = FULL) -> None:
    """Compare unit vectors, row by row.

    Raises:
        NotConvertibleError: a cosine is below that of the precision in MIN_COSINE.
    """
    least = float((found * expected).sum(axis=1).min())
    if not least >= MIN_COSINE[precision]:  # NaN too
        raise NotConvertibleError(f"its vectors would differ: their cosine is {least:.6f}")


def _home() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(cache or Path.home() / ".cache") / "airflow-ray-ingest" / "onnx"
    except RuntimeError:  # a user id without an entry, as some clusters give it to containers
        raise OSError("this user has no home folder; set XDG_CACHE_HOME") from None


def _log() -> logging.Logger:
    return logging.getLogger(__name__)
