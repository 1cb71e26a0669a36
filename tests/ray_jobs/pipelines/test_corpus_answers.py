"""Recall of the image and video pipelines on the real corpus, compared with the same models in a plain loop.

uv run pytest -m benchmark -s tests/ray_jobs/pipelines/test_corpus_answers.py
"""

import json
import re

import numpy as np
import pytest

IMAGES, AV = "corpus_images_", "corpus_av_"
MAX_RECALL_LOSS = 0.01
"""Largest loss of recall compared with the plain loop."""


def truth(corpus, name):
    return [json.loads(line) for line in (corpus / f"truth_{name}.jsonl").read_text().splitlines()]


def search(jobs, prefix, kind, limit, questions):
    """The hits of each question."""
    flags = ["--collection", prefix, "--in", kind, "--limit", str(limit), "--json"]
    result = jobs.run("search.py", *flags, *questions)
    assert result.code == 0, result.stderr
    return [json.loads(line)[kind] for line in result.stdout.splitlines()]


@pytest.mark.benchmark
@pytest.mark.timeout(1200)
def test_images_are_found_as_often_as_by_hand(jobs, corpus, clip_path):
    import open_clip
    import torch
    from PIL import Image

    result = jobs.run("ingest_images.py", "--source", str(corpus / "image"), "--collection", IMAGES)
    assert (result.code, result.report["failed"]) == (0, 0), result.stderr
    rows = truth(corpus, "image")
    files = sorted({row["file"] for row in rows})
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{clip_path}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{clip_path}")
    with torch.inference_mode():
        images = np.concatenate(
            [
                model.eval().encode_image(preprocess(Image.open(corpus / file))[None], normalize=True).numpy()
                for file in files
            ]
        )
        texts = np.concatenate([model.encode_text(tokenizer([row["query"]]), normalize=True).numpy() for row in rows])
    # The pipeline's collection also holds the odd formats, which the plain loop does not read.
    answers = search(jobs, IMAGES, "images", 60, [row["query"] for row in rows])
    for kind in sorted({row["kind"] for row in rows}):
        chosen = [index for index, row in enumerate(rows) if row["kind"] == kind]
        by_hand = np.mean(
            [rows[i]["file"] in [files[j] for j in np.argsort(-(texts[i] @ images.T))[:5]] for i in chosen]
        )
        ours = np.mean([rows[i]["file"] in _known(answers[i], corpus, files)[:5] for i in chosen])
        print(f"\n{kind}: recall@5 {ours:.3f}, by hand {by_hand:.3f} ({len(chosen)} questions)")
        assert ours >= by_hand - MAX_RECALL_LOSS


def _known(hits, corpus, files):
    found = [hit["source"].removeprefix(f"file://{corpus}/") for hit in hits]
    return [file for file in found if file in files]


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
def test_phrases_are_found_with_their_time_and_scenes_have_key_frames(jobs, corpus, whisper_base_path, milvus_client):
    for folder in ("audio", "video"):
        flags = ["--source", str(corpus / folder), "--collection", AV, "--whisper-model", whisper_base_path]
        result = jobs.run("ingest_videos.py", *flags)
        assert (result.code, result.report["failed"]) == (0, 0), result.stderr
    rows = [row for row in truth(corpus, "av") if not row.get("hard")]
    asked = [row for row in rows if row.get("phrase")]
    found, timed, in_time = 0, 0, 0
    for row, hits in zip(asked, search(jobs, AV, "spoken", 3, [row["phrase"] for row in asked]), strict=True):
        own = [hit for hit in hits if hit["source"] == f"file://{corpus}/{row['file']}"]
        found += bool(own)
        if not own:
            print(f"\nnot among three: {row['file']}: {row['phrase']!r}; instead {[hit['text'] for hit in hits]}")
        begin = _begin(row)
        if own and begin is not None:
            timed += 1
            in_time += abs(own[0]["start"] - begin) <= 1
    print(f"\nphrases in the right file among three: {found} of {len(asked)}; in time: {in_time} of {timed}")
    assert found >= 0.85 * len(asked)
    assert in_time >= 0.85 * timed
    times = {}
    for hit in milvus_client.query(
        f"{AV}video_frames", filter='id != ""', output_fields=["source", "time"], limit=9999
    ):
        times.setdefault(hit["source"].removeprefix(f"file://{corpus}/"), []).append(hit["time"])
    scenes = [(row["file"], scene["t0"], scene["t1"]) for row in rows for scene in row.get("scenes", ())]
    seen = sum(any(start - 0.05 <= time < end for time in times[file]) for file, start, end in scenes)
    frames = sum(len(times[file]) for file in {file for file, _, _ in scenes})
    print(f"scenes with a key frame: {seen} of {len(scenes)}, with {frames} frames")
    assert seen == len(scenes)
    assert frames <= 2 * len(scenes)


def _begin(row):
    """The start of a phrase in seconds, if it begins a sentence whose start is known; else None."""
    words = re.findall(r"\w+", row["phrase"].lower())[:4]
    for sentence in row.get("speech", ()):
        if re.findall(r"\w+", sentence["text"].lower())[:4] == words:
            return sentence["t0"]
    return None
