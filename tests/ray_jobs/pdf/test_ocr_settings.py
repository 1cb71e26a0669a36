"""OCR computes in full precision on every CPU, pads lines to few widths, and keeps nothing for each of them."""

from pathlib import Path

import numpy as np
import psutil
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
def test_lines_of_similar_lengths_are_read_in_one_width(monkeypatch):
    models, widths = RapidModels(), []
    recogniser = models._engine._load_rec_model()
    read = recogniser.session

    def noted(images):
        widths.append(images.shape[3])
        return read(images)

    monkeypatch.setattr(recogniser, "session", noted)
    models.recognise(
        [np.full((height, 8 * width, 3), 255, np.uint8) for height, width in ((48, 90), (24, 42), (47, 94))]
    )
    assert widths == [704, 768, 768]


@pytest.mark.nightly
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="Linux alone limits the addresses of a process")
def test_lines_of_many_lengths_need_no_more_memory_than_the_longest():
    models, used = RapidModels(), []
    for shift in range(0, 70, 10):  # the first four rounds fill OpenVINO's own buffers
        for width in range(1600 - shift, 800, -100):
            models.recognise([np.zeros((48, width, 3), np.uint8)])
        used.append(psutil.Process().memory_info().vms)
    assert used[-1] - used[3] < 100_000_000
