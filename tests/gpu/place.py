"""The parts of the tier `gpu`, and its models: they need no network, and no command on the PATH."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from embedded.milvus_lite import MilvusLite
from embedded.processes import base_environment, command_line
from embedded.ray_head import RayHead

RAY_JOBS = Path(__file__).resolve().parents[2] / "ray_jobs"
JOB_SECONDS = 150


class Head(RayHead):
    """A Ray head whose command is a module: packages in a folder on the path bring no commands that run there."""

    def command(self) -> list[str]:
        _, *arguments = super().command()
        return [sys.executable, "-m", "ray.scripts.scripts", *arguments]


class Lite(MilvusLite):
    """Milvus Lite, started as a module as well."""

    def command(self) -> list[str]:
        _, *arguments = super().command()
        return [sys.executable, "-c", "import sys; from milvus_lite.cmdline import main; sys.exit(main())", *arguments]


@dataclass
class Place:
    """A Ray head and a Milvus Lite server, and scripts that use both."""

    head: Head
    milvus: Lite
    folder: Path
    gpus: bool

    def run(self, script: str, *flags: str, during: Callable[[subprocess.Popen[str], Path], None] | None = None) -> Any:
        """Run a job script; return the report. `during` is called with its process and the file of its output.

        Raises:
            AssertionError: the script failed; the message is its output.
        """
        log = self.folder / f"{time.time_ns()}.log"
        environment = {**base_environment(), **self.head.client_environment()}
        with log.open("w") as file:
            command = [sys.executable, str(RAY_JOBS / script), "--milvus-uri", self.milvus.uri, *flags]
            process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT, text=True)
            try:
                if during is not None:
                    during(process, log)
                code = process.wait(JOB_SECONDS)
            finally:
                process.kill()
        output = log.read_text(errors="replace")
        assert code == 0, output
        print("\n" + "\n".join(re.findall(r"^Ray cluster.*|^REPORT .*", output, re.MULTILINE)))
        return json.loads(re.findall(r"^REPORT (.*)$", output, re.MULTILINE)[-1])

    def actors(self, name: str) -> list[psutil.Process]:
        """The processes of the actors of a class."""
        return [
            process
            for process in self.head.members()
            if (words := command_line(process)) and words[0].startswith("ray::") and name in words[0]
        ]

    def rows(self, collection: str) -> dict[str, list[float]]:
        """The vectors of a collection's rows, by id."""
        sys.path.append(str(RAY_JOBS))
        from ingest.milvus.client import connect, query_pages

        client = connect(self.milvus.uri)
        pages = query_pages(client, collection, 'id != ""', ["id", "embedding"])
        return {row["id"]: row["embedding"] for page in pages for row in page}


def started(folder: Path, gpus: bool) -> Iterator[Place]:
    """The parts, as long as they are needed."""
    with Head(folder / "ray", num_cpus=os.cpu_count() or 2) as head, Lite(folder / "milvus") as milvus:
        yield Place(head, milvus, folder, gpus)


# --- models of production's shapes with random weights: shapes, and not weights, decide their speed


def bge_m3(folder: Path, tokenizer: Path, small: bool) -> Path:
    """A folder for sentence-transformers with the shape of BGE-M3 (568 million parameters; a few when `small`).

    Its tokenizer is that of another model, whose ids are all within the vocabulary.
    """
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    config = XLMRobertaConfig(
        vocab_size=30_600 if small else 250_037,
        hidden_size=64 if small else 1024,
        num_hidden_layers=2 if small else 24,
        num_attention_heads=4 if small else 16,
        intermediate_size=128 if small else 4096,
        max_position_embeddings=8194,
        type_vocab_size=2,
    )
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = XLMRobertaModel(config)
    model.to("cpu").save_pretrained(folder)
    for file in tokenizer.iterdir():
        if file.name.startswith(("tokenizer", "vocab", "special_tokens")):
            shutil.copy(file, folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": 512}))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 512, "do_lower_case": False}))
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    described = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(described))
    for path, _ in modules[1:]:
        (folder / path).mkdir()
    pooling = {"word_embedding_dimension": config.hidden_size, "pooling_mode_cls_token": True}
    pooling |= {"pooling_mode_mean_tokens": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


# --- measuring


def busy_share(function: Callable[[], object]) -> float:
    """The share of the wall time of a call in which a kernel or a copy runs on the GPU, by torch's profiler."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as found:
        started = time.perf_counter()
        function()
        torch.cuda.synchronize()
        wall = time.perf_counter() - started
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in found.events()
        if str(event.device_type).endswith("CUDA")
    )
    total, last = 0.0, 0.0
    for start, end in spans:
        total += max(0.0, end - max(start, last))
        last = max(last, end)
    return total / 1e6 / wall


def table(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Print a table of two columns as Markdown."""
    print(f"\n| {title} | |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")
