"""Convert torch modules to files of OpenVINO, and compare their vectors.

OpenVINO reads the graph that torch traces, and the weights where they are: for 568 million parameters this takes 3 s
and no memory, and writing the file takes 2 s. By way of ONNX, all weights would be copied several times.
"""

from __future__ import annotations

import io
import shutil
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ingest.common.cpu_inference import FULL, HALF, CpuSession, core, precisions
from ingest.common.memory import spare_memory
from ingest.models.conversion_errors import NoRoomError, NotConvertibleError
from ingest.models.trials import TrialSession

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

MIN_COSINE = {FULL: 0.9999, HALF: 0.99995}
"""Least cosine between the vectors of the file and of the model, by precision. Those of the few samples are compared:
with bfloat16, those of 1,500 other texts were below 0.99995, and above 0.9999."""

SPARE_BYTES = 500_000_000
"""Disk and memory that a node must have beside the size of the weights. OpenVINO arranges the weights of layers anew in
memory, but for embeddings, and passes over the samples take the rest: 1.3 GB in all with BGE-M3's 2.3 GB."""


class Session(Protocol):
    """A loaded model with one output."""

    def run(self, **inputs: np.ndarray) -> np.ndarray:
        """The output for inputs by their names."""


@dataclass(frozen=True, slots=True)
class KeptModel:
    """A converted model.

    Attributes:
        path: the file; its weights are beside it.
        settings: whatever its user needs beside it, as the conversion has returned it, and its `precision`.
        load: loads the file to run on a number of threads in a precision.
    """

    path: Path
    settings: dict[str, Any]
    load: Callable[[Path, int, str], Session] = CpuSession

    @property
    def precision(self) -> str:
        """The precision in which its vectors agree with those of the model."""
        return str(self.settings["precision"])

    def session(self, threads: int, precision: str = "") -> Session:
        """Load the model to run on `threads` CPU threads, in its own precision or in another one."""
        return self.load(self.path, threads, precision or self.precision)


def write(module: Module, inputs: tuple[Tensor, ...], varying: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Write a torch module with one output.

    Args:
        inputs: an example of its inputs.
        varying: the names of the inputs, in order, each with its axes of varying length.
        path: of the file; that of the weights has the suffix `.bin`.

    Raises:
        NoRoomError: the node has too little disk or memory for the conversion.
    """
    _check_room(sum(weight.numel() * weight.element_size() for weight in module.parameters()), path.parent)
    core()  # before any other part of OpenVINO, which it keeps from calling home
    from openvino import serialize
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    frontend = FrontEndManager().load_by_framework("pytorch")
    decoder = TorchScriptPythonDecoder(_traced(module, inputs))  # in a variable, since OpenVINO does not keep it
    model = frontend.convert(frontend.load(decoder))
    shapes = {}
    for found, example, (name, axes) in zip(model.inputs, inputs, varying.items(), strict=True):
        found.get_tensor().set_names({name})
        shapes[name] = [-1 if axis in axes else length for axis, length in enumerate(example.shape)]
    model.reshape(shapes)
    try:
        serialize(model, str(path), str(path.with_suffix(".bin")))
    except RuntimeError as error:
        raise NoRoomError(f"it cannot be written: {error}") from None


def _check_room(size: int, folder: Path) -> None:
    needed = size + SPARE_BYTES
    for kind, free in (("memory", spare_memory()), (f"disk in {folder.parent}", shutil.disk_usage(folder).free)):
        if free is not None and free < needed:
            raise NoRoomError(f"it takes {needed / 1e9:.1f} GB, and there are {free / 1e9:.1f} GB of {kind}")


def _traced(module: Module, inputs: tuple[Tensor, ...]) -> Any:
    import torch

    for weight in module.parameters():
        weight.requires_grad_(False)  # a constant of the graph
    module.eval()
    was_fast = torch.backends.mha.get_fastpath_enabled()
    # The attention of open_clip's transformers would be a single operator that OpenVINO does not have.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        # What is traced is a function, since torch asks a module for all of its attributes, deprecated ones too.
        with torch.no_grad(), warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # of traced branches: the vectors are compared instead
            return torch.jit.trace(lambda *given: module(*given), inputs, check_trace=False)
    finally:
        torch.backends.mha.set_fastpath_enabled(was_fast)


def in_best_precision(path: Path, settings: dict[str, Any], compare: Callable[[KeptModel], None]) -> dict[str, Any]:
    """Find the fastest precision of this CPU in which a written model has the vectors of the model itself.

    Args:
        path: of the file.
        settings: of the model.
        compare: calls `check_agreement` with vectors of a kept model.

    Returns:
        The settings, with the precision.

    Raises:
        NotConvertibleError: the vectors would differ in full precision too.
    """
    for precision in precisions():
        found = settings | {"precision": precision}
        try:
            with ExitStack() as trials:
                compare(KeptModel(path, found, lambda *model: _on_trial(trials, *model)))
        except NotConvertibleError:
            if precision == FULL:
                raise
        else:
            break
    return found


def _on_trial(trials: ExitStack, path: Path, threads: int, precision: str) -> TrialSession:
    return trials.enter_context(closing(TrialSession(path, threads, precision)))


def check_agreement(found: np.ndarray, expected: np.ndarray, precision: str = FULL) -> None:
    """Compare unit vectors, row by row.

    Raises:
        NotConvertibleError: a cosine is below that of the precision in MIN_COSINE.
    """
    least = float((found * expected).sum(axis=1).min())
    if not least >= MIN_COSINE[precision]:  # NaN too
        raise NotConvertibleError(f"its vectors would differ: their cosine is {least:.6f}")
