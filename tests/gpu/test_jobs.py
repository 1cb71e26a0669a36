"""Whole jobs on one GPU: actors that share it, one that is killed, and each of the stages with a model."""

import json
import os
import signal
import wave

import numpy as np
import pytest

from embedded.caption_stand_in import build_caption_stand_in
from embedded.processes import poll
from gpu.place import LEAST_COSINE, cosines, has_gpu, pdf_with_figure
from scans import scan

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(600)]


@pytest.fixture(scope="session")
def clean(place, bge, pdfs):
    """The rows of a calm run with the large text model."""
    report = place.run("ingest_pdfs.py", "--source", str(pdfs), "--embedding-model", str(bge), "--collection", "clean_")
    assert (report["added"], report["failed"]) == (len(list(pdfs.iterdir())), 0)
    return place.rows("clean_documents")


def test_two_actors_share_one_gpu(place, bge, pdfs, clean):
    share = '{"embed": {"actors": 2, "gpus": 0.5}}' if has_gpu() else '{"embed": {"actors": 2, "cpus": 0.25}}'
    flags = ["--embedding-model", str(bge), "--collection", "shared_", "--resources", share]
    assert place.run("ingest_pdfs.py", "--source", str(pdfs), *flags)["failed"] == 0
    rows = place.rows("shared_documents")
    assert rows.keys() == clean.keys()
    order = list(rows)
    found, wanted = np.array([rows[key] for key in order]), np.array([clean[key] for key in order])
    assert cosines(found, wanted).min() >= LEAST_COSINE


def test_a_job_whose_gpu_actor_is_killed_ends_with_the_same_rows(place, bge, pdfs, clean):
    killed = []

    def kill(process, log):
        (actor, *_) = poll(lambda: "embed" in log.read_text() and place.actors("EmbedTexts"), 90, "no actor embeds")
        actor.send_signal(signal.SIGKILL)
        killed.append(actor.pid)

    flags = ["--embedding-model", str(bge), "--collection", "killed_"]
    place.run("ingest_pdfs.py", "--source", str(pdfs), *flags, during=kill)
    assert killed
    assert place.rows("killed_documents").keys() == clean.keys()


def test_figures_are_captioned_beside_the_text_model(place, bge, tmp_path):
    build_caption_stand_in(tmp_path / "captioner", tmp_path / "captioner")
    source = tmp_path / "source"
    source.mkdir()
    for number in range(8):
        (source / f"{number}.pdf").write_bytes(pdf_with_figure(number))
    flags = ["--embedding-model", str(bge), "--caption-model", str(tmp_path / "captioner"), "--collection", "c_"]
    report = place.run("ingest_pdfs.py", "--source", str(source), *flags)
    assert (report["added"], report["failed"]) == (8, 0)
    assert report["stages"]["caption"]["items"] == 8


def test_photos_run_through_their_stage(place, clip, tmp_path):
    from PIL import Image

    for number in range(40):
        pixels = np.random.default_rng(number).integers(0, 255, (240, 320, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    report = place.run("ingest_images.py", "--source", str(tmp_path), "--clip-model", str(clip), "--collection", "p_")
    assert (report["added"], report["failed"]) == (40, 0)


def test_speech_runs_through_three_models_on_one_gpu(place, minilm, clip, whisper, tmp_path):
    source = os.environ.get("GPU_AUDIO") or str(tmp_path)
    with wave.open(str(tmp_path / "silence.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 16_000 * 20))
    flags = ["--whisper-model", str(whisper), "--embedding-model", str(minilm), "--clip-model", str(clip)]
    report = place.run("ingest_videos.py", "--source", source, *flags, "--collection", "v_")
    assert report["added"] >= 1
    assert report["failed"] == 0


def test_scans_are_read_by_an_actor(place, minilm, tmp_path):
    (tmp_path / "scan.pdf").write_bytes(scan(3))
    import onnxruntime

    from ingest.pdf.ocr_models import CUDA

    reads_on_gpu = has_gpu() and CUDA in onnxruntime.get_available_providers()
    ocr = {"actors": 1, "cpus": 0.25, "gpus": 0.25 if reads_on_gpu else 0}
    embed = {"actors": 1, "cpus": 0.25, "gpus": 0.75 if has_gpu() else 0}
    resources = json.dumps({"ocr": ocr, "embed": embed})
    flags = ["--source", str(tmp_path), "--embedding-model", str(minilm)]
    report = place.run("ingest_pdfs.py", *flags, "--collection", "ocr_", "--resources", resources)
    assert (report["added"], report["failed"]) == (1, 0)
    assert report["stages"]["ocr"]["items"] > 0
    place.run("ingest_pdfs.py", *flags, "--collection", "own_ocr_")
    assert place.rows("ocr_documents").keys() == place.rows("own_ocr_documents").keys()
