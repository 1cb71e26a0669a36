"""The small models of tests and demo load as production models do, and do what tests of pipelines count on."""

import fcntl
import io
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.images import PHOTOS, photo
from embedded.model_cache import WeightsError, cached, verified
from embedded.videos import BONJOUR, film, make_films

TESTS = Path(__file__).parent


@pytest.mark.nightly
def test_the_clip_stand_in_finds_each_photo_by_its_text(clip_path):
    import open_clip
    import torch

    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{clip_path}")
    model.eval()
    with torch.no_grad():
        images = model.encode_image(torch.stack([preprocess(photo(each.file)) for each in PHOTOS]), normalize=True)
        tokens = open_clip.get_tokenizer(f"local-dir:{clip_path}")([each.text for each in PHOTOS])
        texts = model.encode_text(tokens, normalize=True)
    assert images.shape == (len(PHOTOS), 384)
    assert (texts @ images.T).argmax(dim=1).tolist() == list(range(len(PHOTOS)))


@pytest.mark.nightly
def test_whisper_base_tells_languages_apart(whisper_base_path):
    from faster_whisper import WhisperModel, decode_audio

    model = WhisperModel(whisper_base_path, device="cpu", compute_type="int8")
    for file, language in (("french.ogg", BONJOUR.voice), ("valley-report.mp3", "en")):
        found, probability, _ = model.detect_language(decode_audio(io.BytesIO(make_films([film(file)])[file])))
        assert (found, probability > 0.5) == (language, True)


@pytest.mark.nightly
def test_the_caption_stand_in_says_the_same_of_the_same_image(caption_path):
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(caption_path)
    model = AutoModelForImageTextToText.from_pretrained(caption_path)
    with torch.no_grad():
        inputs = processor(images=[photo("cat.jpg")] * 2, return_tensors="pt")
        first, second = processor.batch_decode(model.generate(**inputs, max_new_tokens=8), skip_special_tokens=True)
    assert first == second
    assert first.strip()


BUILD = """
import sys
from pathlib import Path
from embedded.model_cache import cached

def build(folder, final):
    print("builds", flush=True)
    (folder / "half").write_text("half")
    sys.stdin.readline()
    (folder / "whole").write_text("whole")

print(sorted(file.name for file in cached("model", "v1", build, Path(sys.argv[1])).iterdir()), flush=True)
"""


def builder(home: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, str(home)],
        cwd=TESTS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_of_two_processes_one_builds_and_the_other_waits(tmp_path):
    with builder(tmp_path) as first:
        assert first.stdout.readline() == "builds\n"
        (lock,) = tmp_path.glob("*.lock")
        with lock.open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with builder(tmp_path) as second:
            first.stdin.write("\n")
            first.stdin.close()
            assert second.stdout.read() == "['half', 'whole']\n"
        assert first.stdout.read() == "['half', 'whole']\n"


def test_a_build_that_was_killed_is_done_again(tmp_path):
    with builder(tmp_path) as killed:
        assert killed.stdout.readline() == "builds\n"
        killed.kill()
    done = cached("model", "v1", lambda folder, final: (folder / "other").touch(), tmp_path)
    assert [file.name for file in done.iterdir()] == ["other"]


def test_a_build_that_fails_leaves_no_folder(tmp_path):
    with pytest.raises(ZeroDivisionError):
        cached("model", "v1", lambda folder, final: 1 // 0, tmp_path)
    assert [file.name for file in tmp_path.glob("model-*[0-9a-f]")] == []


def test_other_weights_than_those_tried_are_refused(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"model.bin has the SHA-256 d9298a10"):
        verified(tmp_path / "model.bin", "0" * 64)
