"""How close the warm pipelines come to their limit: PDFs, images, recordings and films of the corpus.

    uv run pytest -n 0 -s -m benchmark tests/benchmarks/test_limits.py

T* is the limit: the CPU seconds of reading, of the models and of inserting, each done alone and at its best (`limits`),
divided by the number of cores, as if nothing else ever took a core. T is the pipeline's wall time from the moment its
models are loaded; start-up is reported apart.
"""

import pytest

from benchmarks.pipeline_runs import limit_of, report_of, share_of_limit, uploaded
from embedded.clip_shapes import VIT_B_32, make_clip

SPEECH = {"embedding": "minilm_path", "clip": "clip_path", "whisper": "whisper_path"}
SETS = {
    "PDFs": ("pdfs", "pdf/*/*.pdf", 1, {"embedding": "minilm_path"}),
    "scans": ("pdfs", "pdf/scan/*.pdf", 1, {"embedding": "minilm_path"}),
    "images": ("images", "image/*/*.*", 10, {"clip": "clip_path"}),
    "images-vit-b-32": ("images", "image/*/*.*", 5, {"clip": "vit_b_32"}),
    "recordings": ("videos", "audio/*/*.*", 3, SPEECH),
    "films": ("videos", "video/*/*.*", 6, SPEECH),
}
"""By name: the pipeline, the files, how many copies of them make a minute of work, and the fixtures of the models."""

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]


@pytest.fixture
def vit_b_32(tmp_path):
    """A folder of a model with random weights and the shape of the default one; the tests' stand-in is much smaller."""
    return str(make_clip(tmp_path / "vit", VIT_B_32))


@pytest.mark.parametrize("name", SETS)
def test_the_pipeline_is_near_its_limit(name, request, figures, corpus, object_store, milvus, ray_head, tmp_path):
    pipeline, pattern, copies, needed = SETS[name]
    models = {model: request.getfixturevalue(fixture) for model, fixture in needed.items()}
    files = [file for file in sorted(corpus.glob(pattern)) if file.is_file()]
    limit = limit_of(pipeline, models, files, tmp_path / "limit")
    flags = [word for model, path in models.items() for word in (f"--{model}-model", path)]
    flags += ["--collection", f"{name.replace('-', '_')}_"]
    source = uploaded(object_store, files, corpus, name, copies)
    report = report_of(pipeline, source, flags, object_store, milvus, ray_head)
    assert share_of_limit(name, limit, report, figures, copies) > 0.5
