"""A model is converted once per node, used only if its vectors agree, and replaced by the model itself otherwise."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from embedded.clip_shapes import SMALL_VIT, make_clip
from embedded.text_shapes import bge_m3
from ingest.common.cpu_inference import FULL
from ingest.models import conversion, cpu_texts, kept_models
from ingest.models.clip_encoder import ClipEncoder
from ingest.models.clip_model import find_clip_model
from ingest.models.conversion import KeptModel
from ingest.models.conversion_errors import NotConvertibleError
from ingest.models.kept_models import ModelCache
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
    path.with_suffix(".bin").write_bytes(model)
    raise NotConvertibleError("for a reason")


@pytest.fixture
def cache(tmp_path):
    return ModelCache("text", "weights", tmp_path)


def test_the_file_is_made_once_and_then_the_model_is_not_loaded(cache):
    assert cache.loaded(read, lambda: b"model", write) == ("file", b"model")
    assert cache.loaded(read, never, write) == ("file", b"model")


def test_other_weights_have_another_file(cache, tmp_path):
    cache.loaded(read, lambda: b"model", write)
    other = ModelCache("text", "other weights", tmp_path)
    assert other.loaded(read, lambda: b"other", write) == ("file", b"other")


def test_a_model_that_cannot_be_converted_is_used_itself_and_not_tried_again(cache, caplog):
    assert cache.loaded(read, lambda: b"model", refuse) == b"model"
    assert "for a reason" in caplog.text
    assert {path.name for path in cache._folder.iterdir()} == {"settings.json"}
    assert cache.loaded(read, lambda: b"model", lambda model, path: never()) == b"model"


def test_a_file_that_was_cut_off_is_made_again(cache, tmp_path):
    cache.loaded(read, lambda: b"model", write)
    (file,) = tmp_path.rglob("model.xml")
    file.write_bytes(b"mo")
    assert cache.loaded(read, lambda: b"model", write) == ("file", b"model")


def test_a_full_disk_is_not_held_against_the_model_and_nothing_stays_there(cache, caplog):
    def full(model, path):
        path.write_bytes(model)
        raise OSError("no space left")

    assert cache.loaded(read, lambda: b"model", full) == b"model"
    assert "no space left" in caplog.text
    assert not [path for path in cache._home.iterdir() if path.is_dir()]
    assert cache.loaded(read, lambda: b"model", write) == ("file", b"model")


def locked(folder):
    lock = folder.with_suffix(".lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def test_the_others_wait_for_the_process_that_makes_the_file_and_do_not_load_the_model(cache, tmp_path):
    cache.loaded(read, lambda: b"model", write)
    gone = cache._folder.rename(tmp_path / "gone")
    found = []
    with locked(cache._folder):
        other = threading.Thread(target=lambda: found.append(cache.loaded(read, never, write)))
        other.start()
        gone.rename(cache._folder)
    other.join()
    assert found == [("file", b"model")]


def test_nobody_waits_for_ever(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_models, "WAIT_SECONDS", 0)
    with locked(cache._folder):
        assert cache.loaded(read, lambda: b"model", write) == b"model"
    assert cache.loaded(read, lambda: b"model", write) == ("file", b"model")


def days_ago(path, days):
    os.utime(path, times=(time.time() - days * 24 * 3600,) * 2)


def test_files_that_nobody_loads_go_and_those_in_use_stay(cache, tmp_path):
    for weights in ("used each week", "of an earlier version"):
        ModelCache("text", weights, tmp_path).loaded(read, lambda: b"model", write)
    used, unused = (ModelCache("text", weights, tmp_path) for weights in ("used each week", "of an earlier version"))
    days_ago(unused._folder / "settings.json", kept_models.KEPT_DAYS + 1)
    days_ago(used._folder / "settings.json", kept_models.KEPT_DAYS - 1)
    killed = tmp_path / "text-killed.partial"
    killed.mkdir()
    (killed / "model.bin").write_bytes(b"half of it")
    days_ago(killed, kept_models.KEPT_DAYS + 1)
    assert used.loaded(read, never, write) == ("file", b"model")
    days_ago(used._folder, kept_models.KEPT_DAYS + 1)
    cache.loaded(read, lambda: b"model", write)
    assert {path for path in tmp_path.iterdir() if path.is_dir()} == {cache._folder, used._folder}


def test_a_refused_model_is_tried_again_when_its_refusal_is_old(cache):
    cache.loaded(read, lambda: b"model", refuse)
    days_ago(cache._folder / "settings.json", kept_models.KEPT_DAYS + 1)
    assert cache.loaded(read, lambda: b"model", write) == ("file", b"model")


def test_without_a_writable_folder_the_model_is_used_itself(tmp_path):
    (tmp_path / "file").write_text("")
    cache = ModelCache("text", "weights", tmp_path / "file")
    assert cache.loaded(read, lambda: b"model", write) == b"model"


def test_a_user_without_a_home_uses_the_model_itself_and_is_told_what_to_set(monkeypatch, caplog):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert ModelCache("text", "weights").loaded(read, lambda: b"model", write) == b"model"
    assert "set XDG_CACHE_HOME" in caplog.text


def test_a_node_with_another_cpu_has_a_file_of_its_own(cache, monkeypatch):
    cache.loaded(read, lambda: b"model", write)
    monkeypatch.setattr(kept_models, "instructions", lambda: "flags : sse2 avx avx2")
    other = ModelCache("text", "weights", cache._home).loaded(read, lambda: b"other", write)
    assert other == ("file", b"other")


@pytest.mark.xdist_group("models")
def test_texts_have_the_vectors_and_tokens_of_the_model_itself(minilm_path):
    from ingest.models.cpu_texts import CpuTexts
    from ingest.models.torch_texts import TorchTexts

    encoder = TextEncoder(minilm_path, 384)
    assert isinstance(encoder._model, CpuTexts)
    model = TorchTexts(minilm_path, 1, "cpu")
    documents, query = model.embed(TEXTS, "document"), model.embed(["ferry"], "query")[0]
    assert (encoder.encode(TEXTS) * documents).sum(axis=1).min() > 0.9999
    assert encoder.encode_query("ferry") @ query > 0.9999
    assert encoder.take_tokens() == int(model.tokens)
    cache = ModelCache("text", text_weights(minilm_path))
    kept = KeptModel(cache._folder / "model.xml", cache._settings() | {"precision": FULL})
    assert (CpuTexts(kept, 1, never).embed(TEXTS, "document") * documents).sum(axis=1).min() > 0.999999


@pytest.mark.xdist_group("models")
def test_texts_longer_than_those_that_were_compared_are_embedded_by_the_model_itself(minilm_path):
    from ingest.models.cpu_texts import CpuTexts
    from ingest.models.torch_texts import TorchTexts

    TextEncoder(minilm_path, 384)
    cache = ModelCache("text", text_weights(minilm_path))
    kept = KeptModel(cache._folder / "model.xml", cache._settings() | {"compared_tokens": 12})
    model = TorchTexts(minilm_path, 1, "cpu")
    expected = model.embed(TEXTS, "document")
    loaded = []
    texts = CpuTexts(kept, 1, lambda: loaded.append(model) or model)
    assert texts.embed(["one", "two three"], "document").shape == (2, 384)
    assert (loaded, int(texts.tokens)) == ([], 7)
    texts.tokens, counted = 0, int(model.tokens)
    assert (texts.embed(TEXTS, "document") * expected).sum(axis=1).min() > 0.9999
    assert (loaded, int(texts.tokens)) == ([model], counted)


@pytest.mark.xdist_group("models")
def test_a_model_that_reads_long_texts_is_converted(minilm_path, tmp_path, monkeypatch):
    from ingest.models.cpu_texts import CpuTexts

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cpu_texts, "_SAMPLES", ["one", "one two three four " * 16])
    encoder = TextEncoder(str(bge_m3(tmp_path / "model", Path(minilm_path), small=True, tokens=8192)), 64)
    assert isinstance(encoder._model, CpuTexts)
    assert encoder._model._compared == 66


@pytest.mark.xdist_group("models")
def test_a_node_with_little_memory_uses_the_model_itself_until_it_has_more(minilm_path, tmp_path, monkeypatch, caplog):
    from ingest.models.cpu_texts import CpuTexts
    from ingest.models.torch_texts import TorchTexts

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cpu_texts, "_SAMPLES", ["one", "one two"])
    folder = str(bge_m3(tmp_path / "model", Path(minilm_path), small=True))
    with monkeypatch.context() as small:
        small.setattr(conversion, "spare_memory", lambda: 300_000_000)
        assert isinstance(TextEncoder(folder, 64)._model, TorchTexts)
    assert "there are 0.3 GB of memory" in caplog.text
    assert isinstance(TextEncoder(folder, 64)._model, CpuTexts)


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


@pytest.mark.nightly
@pytest.mark.tier("parts")
@pytest.mark.xdist_group("models")
def test_a_transformer_of_open_clip_is_converted_without_a_word(tmp_path, monkeypatch, capfd, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = find_clip_model(str(make_clip(tmp_path / "clip", SMALL_VIT)), "")
    encoder = ClipEncoder(model.name, model.pretrained, model.dimension)
    vectors = encoder.encode_images(np.random.default_rng(0).integers(0, 255, (3, 224, 224, 3), np.uint8))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    encoder.encode_text("a dog")
    made = {path.parent.name.rpartition("-")[0] for path in tmp_path.rglob("model.bin")}
    assert made == {"clip", "clip-texts"}
    said = [record for record in caplog.records if record.name.startswith("ingest")]
    assert (said, "graph(" in capfd.readouterr().out) == ([], False)
