"""Runs the programs of `peer_programs` over one set of objects, measures them, and compares their rows."""

import contextlib
import json
import math
import os
import random
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.peer_programs import OURS, Program, python
from benchmarks.peer_results import Figure
from benchmarks.process_tree import ProcessTree, Usage, with_children
from embedded.milvus_lite import MilvusLite
from embedded.processes import base_environment, poll
from embedded.ray_head import RayHead

REPOSITORY = Path(__file__).parents[2]
BUCKET = "peers"
CORES = 2
MIN_COSINE = {"pdfs": 0.9999, "images": 0.97, "audio": 0.9999}
"""By kind: least cosine of the vectors of equal texts, or of the same photo, whose pixels this project makes in another
way than open_clip does (0.974 at the least of 101 photos)."""
SHARE = 0.05
"""Of the objects, changed and deleted before the reruns."""


class Bench:
    """The runs of programs over one set."""

    def __init__(self, name: str, kind: str, files: dict[str, bytes], models: dict[str, str], store: Any, folder: Path):
        self._name, self._kind, self._files, self._models = name, kind, files, models
        self._store, self._folder = store, folder
        self._runs = 0
        self._cache: dict[str, str] = {}
        self._rows: dict[str, dict[tuple[str, str], np.ndarray]] = {}
        store.bucket(BUCKET)

    def forget_models(self) -> None:
        """Let this project convert its models again, and keep them where no other run finds them."""
        self._cache = {"XDG_CACHE_HOME": str(self._folder / "cache")}

    def run(self, program: Program, cold: bool, reruns: bool) -> Iterator[tuple[str, Figure]]:
        """The figures of a run, and of its reruns, by case."""
        self._runs += 1
        prefix = f"{self._name}-{self._runs}/"
        for file, content in self._files.items():
            self._put(prefix, file, content)
        folder = self._folder / str(self._runs)
        folder.mkdir()
        with contextlib.ExitStack() as parts:
            milvus = parts.enter_context(MilvusLite(folder / "milvus"))
            head = parts.enter_context(self._head(folder, used=not cold)) if program.ray else None

            def timed() -> Figure:
                return self._timed(program, prefix, folder, milvus, head)

            yield "cold" if cold else "warm", timed()
            rows = self._read(program, milvus)
            self._rows.setdefault(program.name, rows)
            if not (reruns and program.knows):
                return
            yield "unchanged", timed()
            assert len(self._read(program, milvus)) == len(rows)
            some = random.Random(2).sample(sorted(self._files), math.ceil(SHARE * len(self._files)))
            if self._kind == "pdfs":
                for file in some:
                    self._put(prefix, file, with_another_word(self._files[file]))
                yield "changed", timed()
            for file in some:
                self._store.client().delete_object(Bucket=BUCKET, Key=prefix + file)
            yield "deleted", timed()
            assert not {source for source, _ in self._read(program, milvus)} & set(some)

    def check_rows(self, programs: Iterable[Program]) -> None:
        """Every program has rows of the objects of which this project has some, and equal vectors of equal texts."""
        ours = self._rows[OURS]
        vectors = {words(text) or source: vector for (source, text), vector in ours.items()}
        for program in programs:
            rows = self._rows[program.name]
            lacking = {source for source, _ in ours} - {source for source, _ in rows}
            assert not lacking, f"{program.name} has no rows of {sorted(lacking)[:5]}"
            pairs = [
                (vectors[item], vector)
                for (source, text), vector in rows.items()
                if (item := words(text) or source) in vectors
            ]
            least = min((cosine(*pair) for pair in pairs), default=math.nan)
            same = f"{len(rows)} rows, {len(pairs)} with the same text, cosine {least:.6f}"
            print(f"\n{self._name:8} {program.name}: {same}", end="")
            assert pairs, f"{program.name} has no text that this project has too"
            assert least >= MIN_COSINE[self._kind]

    def _put(self, prefix: str, file: str, content: bytes) -> None:
        self._store.client().put_object(Bucket=BUCKET, Key=prefix + file, Body=content)

    @contextlib.contextmanager
    def _head(self, folder: Path, used: bool) -> Iterator[RayHead]:
        with RayHead(folder / "ray", {**self._store.environment(), **self._cache}, num_cpus=CORES) as head:
            if used:
                script = str(Path(__file__).parent / "peers" / "head_in_use.py")
                environment = {**base_environment(), **head.client_environment()}
                subprocess.run([python(), script], env=environment, check=True, capture_output=True)

            def rests() -> bool:
                before = spent(head)
                time.sleep(1)
                return spent(head) - before < 0.4

            poll(rests, 60, "the Ray head finds no rest")
            yield head

    def _timed(self, program: Program, prefix: str, folder: Path, milvus: MilvusLite, head: RayHead | None) -> Figure:
        environment = {**base_environment(), **self._store.environment(), **program.paths(), **self._cache}
        if head:
            environment |= head.client_environment()
        command = self._command(program, prefix, folder, milvus)
        log = folder / "log"
        with log.open("ab") as output:
            started, busy = time.perf_counter(), machine_seconds()
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, cwd=folder)

            def members() -> list[Any]:
                return [*with_children(process.pid), *(head.members() if head else ())]

            def ours() -> list[Any]:
                return [psutil.Process(), *self._store.members()]

            with ProcessTree({"program": members, "milvus": milvus.members, "benchmark": ours}, ["program"]) as tree:
                code = process.wait()
            seconds = time.perf_counter() - started
            busy = machine_seconds() - busy - sum(usage.cpu_seconds for usage in tree.usage.values())
        assert code == 0, f"{program.name} ended with {code}:\n{log.read_text(errors='replace')[-3000:]}"
        self._trace(program, tree.usage)
        rows = len(self._read(program, milvus))
        own = tree.usage["program"]
        return Figure(
            seconds, own.cpu_seconds, tree.usage["milvus"].cpu_seconds, own.peak / 2**20, rows, busy / seconds
        )

    def _command(self, program: Program, prefix: str, folder: Path, milvus: MilvusLite) -> list[str]:
        if program.name == OURS:
            flags = {
                "pdfs": ["--embedding-model", self._models["text_model"], "--ocr", "off"],
                "images": ["--clip-model", self._models["clip_model"]],
                "audio": [
                    *("--embedding-model", self._models["text_model"], "--clip-model", self._models["clip_model"]),
                    *("--whisper-model", self._models["whisper_model"]),
                ],
            }
            script = {"audio": "ingest_videos.py"}.get(self._kind, f"ingest_{self._kind}.py")
            words = ["--source", f"s3://{BUCKET}/{prefix}", "--milvus-uri", milvus.uri, "--max-deleted-fraction", "1"]
            return [python(), str(REPOSITORY / "ray_jobs" / script), *words, *flags[self._kind]]
        arguments = {
            "kind": self._kind,
            "bucket": BUCKET,
            "prefix": prefix,
            "milvus": milvus.uri,
            "cores": CORES,
            "state": folder,
            **self._models,
        }
        words = [word for name, value in arguments.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        return [python(), str(Path(__file__).parent / "peers" / program.script), *words]

    def _read(self, program: Program, milvus: MilvusLite) -> dict[tuple[str, str], np.ndarray]:
        """The vectors of the rows by the names of their objects and their texts."""
        from pymilvus import MilvusClient

        client = MilvusClient(milvus.uri)
        source, text, vector = program.fields
        collection = "rows"
        if program.name == OURS:
            collection = {"pdfs": "documents", "images": "images", "audio": "video_segments"}[self._kind]
        fields = [source, vector] if program.name == OURS and self._kind == "images" else [source, text, vector]
        rows = {}
        client.load_collection(collection)
        iterator = client.query_iterator(collection, batch_size=500, output_fields=fields)
        while found := iterator.next():
            rows |= {(row[source].rsplit("/", 1)[-1], row.get(text, "")): np.asarray(row[vector]) for row in found}
        client.close()
        return rows

    def _trace(self, program: Program, usage: dict[str, Usage]) -> None:
        """Write the samples to the folder PEERS_TRACE, for whoever looks for losses."""
        if folder := os.environ.get("PEERS_TRACE"):
            trace = {group: found.samples for group, found in usage.items()}
            file = Path(folder) / f"{self._name}-{self._runs}-{program.name.replace(' ', '_')}-{time.time():.0f}.json"
            file.write_text(json.dumps(trace))


def spent(head: RayHead) -> float:
    """CPU seconds of the head so far."""
    return sum(sum(process.cpu_times()[:2]) for process in head.members())


def machine_seconds() -> float:
    """CPU seconds of all processes of the machine so far."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)


def words(text: str) -> str:
    """A text with single spaces: other white space is nothing to the tokenizers of the models here."""
    return " ".join(text.split())


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


def with_another_word(data: bytes) -> bytes:
    """A PDF whose first page has one more word."""
    import pymupdf

    with pymupdf.open(stream=data, filetype="pdf") as document:
        document[0].insert_text((20, 20), "Changed", fontsize=8)
        changed: bytes = document.tobytes()
        return changed
