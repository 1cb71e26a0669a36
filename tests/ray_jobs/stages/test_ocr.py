"""OCR as a stage of its own: parse tasks ask actors that have its models, whatever becomes of those."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pymupdf
import pytest

from embedded.processes import command_line, poll
from ingest.common.errors import JobError, ObjectError
from ingest.common.failures import Failure
from ingest.pdf.ocr_models import CUDA, RapidModels
from ingest.stages.ocr import MAX_DEATHS, OcrActors, ReadImages
from scans import PAGES, scan

BUCKET = "ocr-actors"
WORDS = ("harbour", "lantern", "a compass beside the chart")
RESOURCES = '{"ocr": {"actors": 2, "cpus": 0.1}, "embed": {"actors": 1, "cpus": 0.5}}'


def drawn(text):
    """The image of a line."""
    with pymupdf.open() as document:
        page = document.new_page(width=20 + 10 * len(text), height=30)
        page.insert_text((10, 20), text, fontsize=16)
        image = page.get_pixmap(dpi=150)
        pixels = np.frombuffer(image.samples, np.uint8).reshape(image.h, image.w, 3)
        return np.ascontiguousarray(pixels[:, :, ::-1])


@pytest.fixture(scope="module")
def actor():
    seen = []
    found = ReadImages(2, 16, "cpu", lambda stage, items, seconds: seen.append((stage, items)))
    found.seen = seen
    return found


def asked_together(actor, *pieces):
    """What each caller gets, all of whom wait while the actor computes."""
    with ThreadPoolExecutor(len(pieces)) as threads:
        with actor._computing:
            calls = [threads.submit(actor.recognise, piece) for piece in pieces]
            poll(lambda: len(actor._waiting) == len(calls), 60, "the callers do not wait")
        return [call.exception() or call.result() for call in calls]


@pytest.mark.tier("parts")
def test_lines_of_several_pages_are_recognised_together(actor):
    actor.load()
    actor.seen.clear()
    found = asked_together(actor, *([drawn(word)] for word in WORDS))
    assert [texts for texts, _ in found] == [[word] for word in WORDS]
    assert actor.seen == [("ocr", len(WORDS))]
    alone = RapidModels().recognise([drawn(word) for word in WORDS])
    assert [score for _, scores in found for score in scores] == alone[1]


@pytest.mark.tier("parts")
def test_a_line_that_cannot_be_recognised_costs_no_other_page(actor):
    empty = np.zeros((0, 0, 3), np.uint8)
    found = asked_together(actor, [drawn(WORDS[0])], [empty], [drawn(WORDS[1])])
    assert [found[0][0], found[2][0]] == [[WORDS[0]], [WORDS[1]]]
    assert isinstance(found[1], Exception)


@pytest.fixture(scope="module")
def runs(jobs, object_store, milvus_client):
    """Runs over a prefix with scans, as processes; and the rows of a run without actors for OCR."""
    source = f"{object_store.bucket(BUCKET)}/scans/"
    for number in range(2):
        object_store.client().put_object(Bucket=BUCKET, Key=f"scans/{number}.pdf", Body=scan(number))

    class Runs:
        def flags(self, prefix, *others):
            return ["--source", source, "--collection", prefix, *others]

        def run(self, prefix, *others):
            result = jobs.run("ingest_pdfs.py", *self.flags(prefix, *others))
            assert (result.code, result.report["failed"]) == (0, 0), result.stderr
            return result.report

        def launch(self, prefix, *others):
            command = [sys.executable, *jobs._command("ingest_pdfs.py", self.flags(prefix, *others))]
            return subprocess.Popen(command, env=jobs.environment, stderr=subprocess.PIPE, text=True)

        def rows(self, prefix):
            rows = milvus_client.query(
                f"{prefix}documents", filter='id != ""', output_fields=["id", "text", "page", "kind", "metadata"],
                limit=1000, consistency_level="Strong",
            )  # fmt: skip
            return {row["id"]: (row["text"], row["page"], row["kind"], row["metadata"]) for row in rows}

    return Runs()


@pytest.fixture(scope="module")
def own(runs):
    runs.run("ocr_own_")
    rows = runs.rows("ocr_own_")
    assert {(page, kind) for _, page, kind, _ in rows.values()} == {(page + 1, "ocr") for page in range(PAGES)}
    return rows


@pytest.mark.nightly
def test_actors_read_what_parse_tasks_read_themselves(runs, own):
    report = runs.run("ocr_asked_", "--resources", RESOURCES)
    assert runs.rows("ocr_asked_") == own
    assert report["stages"]["ocr"]["items"] >= 2 * PAGES


@pytest.mark.nightly
def test_a_killed_actor_costs_no_page(runs, own, ray_head):
    def actors():
        return [
            process
            for process in ray_head.members()
            if (words := command_line(process)) and words[0].startswith("ray::ReadImages") and "load" not in words[0]
        ]

    run = runs.launch("ocr_killed_", "--resources", RESOURCES)
    victims = poll(lambda: [process for process in actors() if at_work(process)], 120, "no actor reads")
    victims[0].kill()
    assert run.wait(300) == 0, run.stderr.read()
    assert runs.rows("ocr_killed_") == own


def at_work(process):
    try:
        return any(method in command_line(process)[0] for method in ("detect", "recognise", "upside_down"))
    except (psutil.NoSuchProcess, IndexError):
        return False


def test_ocr_on_gpus_without_any_is_refused_before_work_begins(jobs, runs):
    flags = runs.flags("ocr_refused_", "--resources", '{"ocr": {"gpus": 1}}')
    result = jobs.run("ingest_pdfs.py", *flags)
    assert result.code == 2
    assert "'ocr' requests 1 GPUs, but the largest node of the Ray cluster has 0" in result.stderr


@pytest.mark.tier("parts")
def test_models_on_a_gpu_need_the_support_of_onnx_runtime():
    with pytest.raises(JobError, match="install onnxruntime-gpu in place of onnxruntime"):
        RapidModels("cuda")


@pytest.mark.tier("parts")
def test_models_that_are_not_on_their_gpu_are_refused(monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, "CPUExecutionProvider"])
    models = RapidModels("cuda", batch_size=4)
    assert models.recognise([drawn(word) for word in WORDS])[0] == list(WORDS)
    with pytest.raises(JobError, match="ONNX Runtime cannot use them on this node"):
        models.load()


@pytest.mark.tier("parts")
def test_an_image_that_kills_every_actor_fails_its_object(monkeypatch):
    import ray

    class Dead:
        """Ray's answers of an actor that is loaded, and dies of each image. No real image does that."""

        def __init__(self):
            self.calls = 0
            self.load = self.detect = self

        def remote(self, *images):
            self.calls += len(images)
            return bool(images)

    def get(dies):
        if dies:
            raise ray.exceptions.ActorDiedError()

    monkeypatch.setattr(ray, "get", get)
    monkeypatch.setattr(ray, "wait", lambda references, **_: (references, []))
    actor = Dead()
    with pytest.raises(ObjectError) as caught:
        OcrActors([actor])("detect", np.zeros((9, 9, 3), np.uint8))
    assert (caught.value.failure, actor.calls) == (Failure.CRASHED, MAX_DEATHS)
