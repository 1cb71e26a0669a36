"""A model is converted once per node, used only if its vectors agree, and replaced by the model itself otherwise."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embedded.clip_shapes import SMALL_VIT, make_clip
from ingest.common.cpu_inference import FULL, HALF
from ingest.models import onnx_cache
from ingest.models.clip_encoder import ClipEncoder
from ingest.models.clip_model import find_clip_model
from ingest.models.onnx_cache import KeptModel, NotConvertibleError, OnnxCache, check_agreement, compiled, export
from ingest.models.text_encoder import TextEncoder
from ingest.models.text_model import text_weights

LEADERS = "Relationships with others" + 68 * "." + "60 Life after treatment" + 75 * "."
TEXTS = ["", "one", LEADERS, "The ferry leaves the harbour at half past six. " * 8, "今天的会议推迟到星期五下午三点。"]


def write(model, path):
    path.write_bytes(model)
    return {"size": len(model)}


def read(kept: KeptModel):
    content = kept.path.read_bytes()
    if len(content) != kept.settings["size"]:
        raise ValueError("cut off")
    return ("file", content)


def never():
    raise AssertionError("the model itself was loaded")


def refuse(model, path):
    path.with_suffix(".onnx").write_bytes(model)
    raise NotConvertibleError("for a reason")


@pytest.fixture
def cache(tmp_path):
    return OnnxCache("text", "weights", tmp_path)


def test_the_file_is_made_once_and_then_the_model_is_not_loaded(cache):
    assert cache.loaded(read, lambda: b"model", write) == ("file", b"model")
    assert cache.loaded(read, never, write) == ("file", b"model")


def test_other_weights_have_another_file(cache, tmp_path):
    cache.loaded(read, lambda: b"model", write)
    other = OnnxCache("text", "other weights", tmp_path)
    assert other.loaded(read, lambda: b"other", write) == ("file", b"other")


def test_a_model_that_cannot_be_converted_is_used_itself_and_not_tried_again(cache, caplog):
    assert cache.loaded(read, lambda: b"model", refuse) == b"model"
    assert "for a reason" in caplog.text
    assert {path.name for path in cache._folder.iterdir()} == {"settings.json"}
    assert cache.loaded(read, lambda: b"model", lambda model, path: never()) == b"model"


def test_a_file_that_was_cut_off_is_made_again(cache, tmp_path):
    cache.loaded(read, lambda: b"model", write)
    (file,) = tmp_path.rglob("model.blob")
    file.write_bytes(b"mo")
    assert cache.loaded(read, lambda: b"model", write) == ("file", b"model")


def test_a_full_disk_is_not_held_against_the_model(cache):
    def full(model, path):
        raise OSError("no space left")

    assert cache.loaded(read, lambda: b"model", full) == b"model"
    assert cache.loaded(read, lambda: b"model", write) == ("file", b"model")


def test_nobody_waits_for_the_process_that_makes_the_file(cache, tmp_path):
    cache.loaded(read, lambda: b"model", write)
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    folder.rename(tmp_path / "gone")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert cache.loaded(read, lambda: b"model", write) == b"model"
    assert cache.loaded(read, lambda: b"model", write) == ("file", b"model")


def test_without_a_writable_folder_the_model_is_used_itself(tmp_path):
    (tmp_path / "file").write_text("")
    cache = OnnxCache("text", "weights", tmp_path / "file")
    assert cache.loaded(read, lambda: b"model", write) == b"model"


def test_a_user_without_a_home_uses_the_model_itself_and_is_told_what_to_set(monkeypatch, caplog):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert OnnxCache("text", "weights").loaded(read, lambda: b"model", write) == b"model"
    assert "set XDG_CACHE_HOME" in caplog.text


def test_vectors_that_differ_are_refused():
    unit = np.eye(3, dtype=np.float32)
    check_agreement(unit, unit)
    with pytest.raises(NotConvertibleError, match=r"their cosine is 0\.9"):
        check_agreement(np.array([[0.9, 0.43, 0]], np.float32), unit[:1])
    with pytest.raises(NotConvertibleError):
        check_agreement(np.full((1, 3), np.nan, np.float32), unit[:1])


def test_the_fastest_precision_that_agrees_is_used(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_cache, "precisions", lambda: (HALF, FULL))
    monkeypatch.setattr(onnx_cache, "compile_onnx", lambda onnx, precision, path: None)

    def differs_in(*precisions):
        def compare(kept):
            if kept.precision in precisions:
                raise NotConvertibleError("its vectors would differ")

        (tmp_path / "model.onnx").write_bytes(b"")
        return compiled(tmp_path / "model.blob", {"dimension": 3}, compare)

    assert differs_in() == {"dimension": 3, "precision": HALF}
    assert differs_in(HALF) == {"dimension": 3, "precision": FULL}
    with pytest.raises(NotConvertibleError):
        differs_in(HALF, FULL)


def test_a_node_with_another_cpu_has_a_file_of_its_own(cache, monkeypatch):
    cache.loaded(read, lambda: b"model", write)
    monkeypatch.setattr(onnx_cache, "instructions", lambda: "flags : sse2 avx avx2")
    other = OnnxCache("text", "weights", cache._home).loaded(read, lambda: b"other", write)
    assert other == ("file", b"other")


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
        export(model, (torch.ones(1, 3),), {"values": {0: "n", 1: "length"}, "vectors": {0: "n"}}, path)
        values = np.ones((1, 5), np.float32)

        def compare(kept):
            found = kept.session(1).run(values=values)
            check_agreement(found / 25, model(torch.from_numpy(values)).numpy() / 25)

        return compiled(path, {}, compare)

    cache = OnnxCache("text", "fixed", tmp_path)
    assert isinstance(cache.loaded(lambda kept: kept, Fixed, convert), Fixed)


@pytest.mark.xdist_group("models")
def test_texts_have_the_vectors_and_tokens_of_the_model_itself(minilm_path):
    from ingest.models.onnx_texts import OnnxTexts
    from ingest.models.torch_texts import TorchTexts

    encoder = TextEncoder(minilm_path, 384)
    assert isinstance(encoder._model, OnnxTexts)
    model = TorchTexts(minilm_path, 1, "cpu")
    documents, query = model.embed(TEXTS, "document"), model.embed(["ferry"], "query")[0]
    assert (encoder.encode(TEXTS) * documents).sum(axis=1).min() > 0.9999
    assert encoder.encode_query("ferry") @ query > 0.9999
    assert encoder.take_tokens() == int(model.tokens)
    cache = OnnxCache("text", text_weights(minilm_path))
    kept = KeptModel(cache._folder / "model.blob", cache._settings() | {"precision": FULL})
    assert (OnnxTexts(kept, 1).embed(TEXTS, "document") * documents).sum(axis=1).min() > 0.999999


@pytest.mark.xdist_group("models")
def test_attention_has_no_guards_against_nan(minilm_path, tmp_path, monkeypatch):
    import onnx

    from ingest.models import onnx_texts
    from ingest.models.torch_texts import TorchTexts

    monkeypatch.setattr(onnx_texts, "compiled", lambda path, settings, compare: settings)
    onnx_texts.convert(TorchTexts(minilm_path, 1, "cpu"), tmp_path / "model.blob")
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert "IsNaN" not in {node.op_type for node in graph.node}


def test_a_process_that_finds_the_file_does_without_torch(minilm_path):
    code = f"""
import sys
from ingest.models.text_encoder import TextEncoder
assert TextEncoder({minilm_path!r}, 384).encode(["ferry"]).shape == (1, 384)
heavy = {{"torch", "transformers", "sentence_transformers"}} & set(sys.modules)
assert not heavy, heavy
"""
    TextEncoder(minilm_path, 384)
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, check=True)


@pytest.mark.parametrize(
    "used", ["onnxruntime\nonnxruntime.SessionOptions()", "ingest.common.cpu_inference as ours\nours.core()"]
)
def test_what_runs_models_reports_nothing_to_its_maker(tmp_path, used):
    """Their telemetry keeps its events and its consent in the user's folders."""
    code = f"import ingest\nimport {used}"
    environment = {name: value for name, value in os.environ.items() if name not in ("ORT_DISABLE_TELEMETRY", "CI")}
    environment |= {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.tier("parts")
@pytest.mark.xdist_group("models")
def test_a_transformer_of_open_clip_is_converted_without_a_word(tmp_path, monkeypatch, capfd, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = find_clip_model(str(make_clip(tmp_path / "clip", SMALL_VIT)), "")
    encoder = ClipEncoder(model.name, model.pretrained, model.dimension)
    vectors = encoder.encode_images(np.random.default_rng(0).integers(0, 255, (3, 224, 224, 3), np.uint8))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    encoder.encode_text("a dog")
    made = {path.parent.name.rpartition("-")[0] for path in tmp_path.rglob("model.f32")}
    assert made == {"clip", "clip-texts"}
    said = [record for record in caplog.records if record.name.startswith("ingest")]
    assert (said, "graph(" in capfd.readouterr().out) == ([], False)
