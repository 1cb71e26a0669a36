"""Two nodes without a shared disk: the second one has empty folders where this machine has those of the first.

Both are raylets of this machine. The second one is in a mount namespace of its own, where a file system in memory hides
the folder that holds everything of the first: its temporary files, its caches, and the local source.
"""

import io
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from embedded.http import request_json
from embedded.object_store import ObjectStore
from embedded.processes import base_environment
from embedded.ray_head import RayHead
from embedded.ray_node import RayNode
from embedded.speech import SAMPLE_RATE
from embedded.videos import LECTURE
from ingest.run.folders_of_nodes import sentence, unseen
from ingest.store.local_files import file_version

SCRIPTS = Path(__file__).parents[3] / "ray_jobs"


def test_a_file_that_is_missing_or_another_one_is_unseen(tmp_path: Path) -> None:
    (tmp_path / "same").write_text("a")
    (tmp_path / "other").write_text("b")
    version = file_version((tmp_path / "same").stat())
    wanted = {f"file://{tmp_path}/{name}": version for name in ("same", "other", "missing")}
    assert unseen(wanted) == {f"file://{tmp_path}/other", f"file://{tmp_path}/missing"}


def test_the_sentence_names_the_source_and_some_nodes() -> None:
    assert sentence("file:///a/", ["n1", "n2", "n3", "n4", "n5"]) == (
        "--source 'file:///a/': not every node of the cluster sees these files (not n1, n2, n3 and 2 more); put them "
        "into an object store, or on a disk that every node has under this path"
    )


class NodeApart(RayNode):
    """A second node of the head's cluster, for which `hidden` is empty but for what it writes there itself."""

    def __init__(self, folder: Path, head: RayHead, hidden: Path, environment: Mapping[str, str]) -> None:
        super().__init__(folder, head, num_cpus=2)
        self._hidden = hidden
        self._own = {**environment, "TMPDIR": str(hidden), "XDG_CACHE_HOME": str(hidden / "cache")}

    def command(self) -> list[str]:
        script = f"mount -t tmpfs tmpfs {self._hidden} && exec {shlex.join(super().command())}"
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]

    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), **self._own}


def nodes(head: RayHead) -> list[dict[str, Any]]:
    answer = request_json("GET", f"{head.dashboard_url}/api/v0/nodes")
    return [node for node in answer["data"]["result"]["result"] if node["state"] == "ALIVE"]


def namespaces_can_be_made() -> bool:
    command = ["unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def apart(object_store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayHead]:
    """A head with 2 CPUs, whose folder the second node of its cluster does not see."""
    if sys.platform != "linux" or not namespaces_can_be_made():
        pytest.skip("this user can make no mount namespace: two nodes of this machine see the same files")
    hidden = Path(tempfile.mkdtemp(prefix="apart-", dir="/tmp"))
    environment = object_store.environment()
    own = {"XDG_CACHE_HOME": str(hidden / "cache")}
    head = RayHead(hidden / "r", environment={**environment, **own}, object_store_memory=1 << 28)
    try:
        with head, NodeApart(tmp_path_factory.mktemp("node"), head, hidden, environment):
            yield head
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def run(script: str, head: RayHead, object_store: ObjectStore, *flags: str) -> subprocess.CompletedProcess[str]:
    temporary = head.folder.parent / "driver"
    temporary.mkdir(exist_ok=True)
    environment = {**base_environment(), **object_store.environment(), **head.client_environment()}
    return subprocess.run(
        [sys.executable, str(SCRIPTS / script), *flags],
        capture_output=True,
        text=True,
        timeout=900,
        env={**environment, "TMPDIR": str(temporary)},
    )


def count(milvus_uri: str, collection: str) -> int:
    from pymilvus import MilvusClient

    client = MilvusClient(milvus_uri)
    try:
        client.load_collection(collection)
        return int(client.query(collection, filter="", output_fields=["count(*)"])[0]["count(*)"])
    finally:
        client.close()


def pdf(text: str, pages: int) -> bytes:
    import pymupdf

    with pymupdf.open() as document:
        for page in range(pages):
            document.new_page().insert_text((72, 72), f"{text}: page {page} says {page * 7919 % 1000}")
        return bytes(document.tobytes())


@pytest.mark.chaos
@pytest.mark.timeout(1500)
def test_a_local_source_that_a_node_does_not_see_is_refused(apart, object_store, milvus, minilm_path, tmp_path):
    given = {"--milvus-uri": milvus.uri, "--embedding-model": minilm_path, "--collection": "unseen_"}
    flags = [word for pair in given.items() for word in pair]
    hidden = apart.folder.parent / "papers"
    for folder in (hidden, tmp_path):
        folder.mkdir(exist_ok=True)
        (folder / "a.pdf").write_bytes(pdf("a", 2))
    done = run("ingest_pdfs.py", apart, object_store, "--source", str(hidden), *flags)
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"--source 'file://{hidden}/': not every node of the cluster sees these files" in done.stderr
    done = run("ingest_pdfs.py", apart, object_store, "--source", str(tmp_path), *flags)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.chaos
@pytest.mark.timeout(1500)
def test_pages_of_all_documents_are_read_whichever_node_has_them(apart, object_store, milvus, minilm_path):
    bucket = object_store.bucket("apart-pdfs")
    for number in range(60):
        object_store.client().put_object(Bucket=bucket[5:], Key=f"{number}.pdf", Body=pdf(f"short {number}", 2))
    object_store.client().put_object(Bucket=bucket[5:], Key="long.pdf", Body=pdf("long", 1500))
    flags = ["--milvus-uri", milvus.uri, "--embedding-model", minilm_path, "--collection", "apart_"]
    resources = '{"embed": {"actors": 2, "cpus": 1, "threads": 1}}'
    done = run("ingest_pdfs.py", apart, object_store, "--source", bucket, *flags, "--resources", resources)
    assert done.returncode == 0, done.stdout + done.stderr
    assert count(milvus.uri, "apart_documents") == 60 * 2 + 1500
    assert len(nodes_of_actors(apart, "EmbedTexts")) == 2


@pytest.mark.chaos
@pytest.mark.timeout(1500)
def test_a_long_recording_is_transcribed_by_both_nodes(
    apart, object_store, milvus, minilm_path, clip_path, whisper_path
):
    bucket = object_store.bucket("apart-videos")
    samples = LECTURE.samples
    seconds = len(samples) // 2 / SAMPLE_RATE
    sound = samples * (int(15 * 60 / seconds) + 1)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        out.writeframes(sound)
    object_store.client().put_object(Bucket=bucket[5:], Key="long.wav", Body=file.getvalue())
    flags = ["--milvus-uri", milvus.uri, "--embedding-model", minilm_path, "--clip-model", clip_path]
    flags += ["--whisper-model", whisper_path, "--collection", "apart_"]
    # A node of two CPUs has room for one actor of `transcribe`, and for all that the run has beside it.
    others = {"actors": 1, "cpus": 0.1}
    resources = {"transcribe": {"actors": 2, "cpus": 1.25, "threads": 1}, "frames": others, "embed": others}
    flags += ["--resources", json.dumps(resources)]
    done = run("ingest_videos.py", apart, object_store, "--source", bucket, *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    assert count(milvus.uri, "apart_video_segments") >= 20
    assert len(nodes_of_actors(apart, "Transcribe")) == 2


def nodes_of_actors(head: RayHead, name: str) -> set[str]:
    """The nodes on which actors of the class were, of the last job."""
    found = request_json("GET", f"{head.dashboard_url}/api/v0/actors?limit=1000&detail=True")["data"]["result"][
        "result"
    ]
    last = max((actor["job_id"] for actor in found), default="")
    return {actor["node_id"] for actor in found if name in actor["class_name"] + (actor.get("repr_name") or "") and
            actor["job_id"] == last and actor["node_id"]}  # fmt: skip
