"""What tests of OCR observe."""

import pytest


@pytest.fixture
def input_shapes(monkeypatch):
    """The shapes of what OpenVINO gets from RapidOCR, in the order of the calls."""
    from rapidocr.inference_engine.openvino.main import OpenVINOInferSession

    shapes, call = [], OpenVINOInferSession.__call__

    def noted(self, images):
        shapes.append(images.shape)
        return call(self, images)

    monkeypatch.setattr(OpenVINOInferSession, "__call__", noted)
    return shapes
