"""Modules of torch become files of OpenVINO, in a precision that has their vectors, if the node has room for that."""

import resource
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ingest.common.cpu_inference import FULL, HALF, precisions
from ingest.models import conversion, trials
from ingest.models.conversion import KeptModel, check_agreement, in_best_precision, write
from ingest.models.conversion_errors import NoRoomError, NotConvertibleError
from ingest.models.kept_models import ModelCache


def test_vectors_that_differ_are_refused():
    unit = np.eye(3, dtype=np.float32)
    check_agreement(unit, unit)
    with pytest.raises(NotConvertibleError, match=r"their cosine is 0\.9"):
        check_agreement(np.array([[0.9, 0.43, 0]], np.float32), unit[:1])
    with pytest.raises(NotConvertibleError):
        check_agreement(np.full((1, 3), np.nan, np.float32), unit[:1])


def test_the_fastest_precision_that_agrees_is_used(tmp_path, monkeypatch):
    monkeypatch.setattr(conversion, "precisions", lambda: (HALF, FULL))

    def differs_in(*precisions):
        def compare(kept):
            if kept.precision in precisions:
                raise NotConvertibleError("its vectors would differ")

        return in_best_precision(tmp_path / "model.xml", {"dimension": 3}, compare)

    assert differs_in() == {"dimension": 3, "precision": HALF}
    assert differs_in(HALF) == {"dimension": 3, "precision": FULL}
    with pytest.raises(NotConvertibleError):
        differs_in(HALF, FULL)


def test_bfloat16_has_to_agree_more_closely():
    unit, near = np.eye(2, dtype=np.float32)[:1], np.array([[0.99993, 0.0118]], np.float32)
    check_agreement(near, unit)
    with pytest.raises(NotConvertibleError):
        check_agreement(near, unit, HALF)


@pytest.mark.tier("parts")
@pytest.mark.xdist_group("models")
def test_a_model_whose_length_was_fixed_by_the_conversion_is_refused(tmp_path):
    import torch

    class Fixed(torch.nn.Module):
        """Its result depends on a number that tracing makes a constant."""

        def forward(self, values):
            return values.sum(dim=1, keepdim=True) * float(values.shape[1])

    def convert(model, path):
        write(model, (torch.ones(1, 3),), {"values": (0, 1)}, path)
        values = np.ones((1, 5), np.float32)

        def compare(kept):
            found = kept.session(1).run(values=values)
            check_agreement(found / 25, model(torch.from_numpy(values)).numpy() / 25)

        return in_best_precision(path, {}, compare)

    cache = ModelCache("text", "fixed", tmp_path)
    assert isinstance(cache.loaded(lambda kept: kept, Fixed, convert), Fixed)


@pytest.fixture
def linear():
    import torch

    return torch.nn.Linear(1000, 1000), (torch.ones(1, 1000),), {"values": (0,)}


@pytest.mark.tier("parts")
@pytest.mark.xdist_group("models")
def test_a_disk_that_fills_up_is_not_held_against_the_model(linear, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(NoRoomError, match="cannot be written"):
            write(*linear, tmp_path / "model.xml")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    write(*linear, tmp_path / "model.xml")
    assert (tmp_path / "model.bin").stat().st_size > 4_000_000


@pytest.mark.tier("parts")
@pytest.mark.xdist_group("models")
def test_what_there_is_no_room_for_is_not_begun(linear, tmp_path, monkeypatch):
    monkeypatch.setattr(conversion.shutil, "disk_usage", lambda folder: SimpleNamespace(free=400_000_000))
    with pytest.raises(NoRoomError, match=r"takes 0\.5 GB, and there are 0\.4 GB of disk in "):
        write(*linear, tmp_path / "model.xml")
    assert list(tmp_path.iterdir()) == []


def own_memory():
    """Bytes of this process that no file has and no other process shares."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon")]
    return int(line.split()[1]) * 1024


@pytest.mark.tier("parts")
@pytest.mark.xdist_group("models")
def test_weights_are_neither_copied_when_they_are_written_nor_when_they_are_loaded(tmp_path):
    import torch

    class Lookup(torch.nn.Module):
        """Its weights have 200 MB."""

        def __init__(self):
            super().__init__()
            self.rows = torch.nn.Parameter(torch.ones(50_000, 1000))

        def forward(self, ids):
            return self.rows[ids]

    module = Lookup()
    before = own_memory()
    write(module, (torch.ones(2, dtype=torch.int64),), {"ids": (0,)}, tmp_path / "model.xml")
    sessions = [KeptModel(tmp_path / "model.xml", {}).session(1, precision) for precision in precisions()]
    for session in sessions:
        assert session.run(ids=np.zeros(3, np.int64)).shape == (3, 1000)
    assert own_memory() - before < 100_000_000


@pytest.fixture
def tried(tmp_path, monkeypatch):
    """Tries the model in full precision, with a function of `endings` in place of OpenVINO."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import endings

    def run(name):
        monkeypatch.setattr(trials, "_run", getattr(endings, name))
        monkeypatch.setattr(conversion, "precisions", lambda: (FULL,))
        in_best_precision(tmp_path / "model.xml", {}, lambda kept: kept.session(1).run())

    return run


@pytest.mark.tier("parts")
@pytest.mark.xdist_group("models")
def test_a_model_on_which_openvino_ends_the_process_is_refused(tried):
    with pytest.raises(NotConvertibleError, match=r"OpenVINO fails on it in f32.*SIGFPE"):
        tried("divided_by_zero")


@pytest.mark.tier("parts")
@pytest.mark.xdist_group("models")
def test_a_trial_that_the_system_ends_for_its_memory_is_not_held_against_the_model(tried):
    with pytest.raises(NoRoomError, match="memory"):
        tried("killed")
