"""OCR computes in full precision on every CPU, and without subnormal numbers, which slow it down."""

import pytest

from ingest.pdf.ocr import _engine


@pytest.mark.tier("parts")
@pytest.mark.parametrize("part", ["det", "cls", "rec"])
def test_a_page_has_the_same_texts_on_every_node(part):
    request = getattr(_engine(), f"_load_{part}_model")().session.session
    settings = request.get_compiled_model()
    assert [str(settings.get_property(name)) for name in ("INFERENCE_PRECISION_HINT", "INFERENCE_NUM_THREADS")] == [
        "<Type: 'float32'>", "1",
    ]  # fmt: skip
