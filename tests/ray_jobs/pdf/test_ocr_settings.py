"""OCR computes in full precision on every CPU, pads lines to few widths, and keeps nothing of them or of an error."""

from pathlib import Path

import numpy as np
import psutil
import pymupdf
import pytest

from ingest.pdf.ocr_models import RapidModels


@pytest.mark.tier("parts")
@pytest.mark.parametrize("part", ["det", "cls", "rec"])
def test_a_page_has_the_same_texts_on_every_node(part):
    request = getattr(RapidModels()._engine, f"_load_{part}_model")().session.session
    compiled = request.get_compiled_model()
    names = ("INFERENCE_PRECISION_HINT", "INFERENCE_NUM_THREADS")
    assert [str(compiled.get_property(name)) for name in names] == ["<Type: 'float32'>", "1"]


@pytest.mark.tier("parts")
def test_lines_of_similar_lengths_are_read_in_one_width(input_shapes):
    lines = [np.full((height, 8 * width, 3), 255, np.uint8) for height, width in ((48, 90), (24, 42), (47, 94))]
    RapidModels().recognise(lines)
    assert [shape[3] for shape in input_shapes] == [704, 768, 768]


@pytest.mark.tier("parts")
def test_all_cells_of_a_dense_table_are_found():
    with pymupdf.open() as document:
        page = document.new_page(width=960, height=960)
        for row in range(40):
            for column in range(32):
                page.insert_text((30 * column + 8, 24 * row + 16), f"{(row * 7 + column * 3) % 90 + 10}", fontsize=9)
        picture = page.get_pixmap(dpi=150)
    image = np.frombuffer(picture.samples, np.uint8).reshape(picture.h, picture.w, 3)
    assert len(RapidModels().detect(image)) == 40 * 32


@pytest.mark.tier("parts")
@pytest.mark.parametrize(
    ("part", "call"),
    [
        ("det", lambda models, image: models.detect(image)),
        ("cls", lambda models, image: models.upside_down([image])),
        ("rec", lambda models, image: models.recognise([image])),
    ],
)
def test_models_that_failed_are_not_used_again(part, call, monkeypatch):
    """OpenVINO then gives the results of an earlier page, or none."""
    models, image = RapidModels(), np.full((48, 200, 3), 255, np.uint8)
    loaded = getattr(models._engine, f"_load_{part}_model")()

    def fail(images):
        raise RuntimeError("a primitive cannot be executed")

    monkeypatch.setattr(loaded, "session", fail)
    with pytest.raises(RuntimeError, match="primitive"):
        call(models, image)
    call(models, image)


@pytest.mark.nightly
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="Linux alone limits the addresses of a process")
def test_lines_of_many_lengths_need_no_more_memory_than_the_longest():
    models, used = RapidModels(), []
    for shift in range(0, 70, 10):  # the first four rounds fill OpenVINO's own buffers
        for width in range(1600 - shift, 800, -100):
            models.recognise([np.zeros((48, width, 3), np.uint8)])
        used.append(psutil.Process().memory_info().vms)
    assert used[-1] - used[3] < 100_000_000
