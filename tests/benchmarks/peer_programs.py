"""The programs that test_peers.py compares: this project, and those in tests/benchmarks/peers."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

OURS = "this project"


@dataclass(frozen=True)
class Program:
    """A program that ingests a set.

    Attributes:
        name: for people.
        script: in tests/benchmarks/peers.
        package: the module that it needs beside those of the project.
        install: its distributions, as `uv run --with` takes them.
        kinds: the kinds of sets that it takes.
        ray: whether it uses a Ray head.
        knows: whether it knows what it has ingested before.
        fields: names of the fields with the source, the text and the vector.
    """

    name: str
    script: str
    package: str = ""
    install: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("pdfs", "images", "audio")
    ray: bool = False
    knows: bool = False
    fields: tuple[str, str, str] = ("source", "text", "embedding")

    def missing(self) -> str:
        """Why it cannot run; empty if it can."""
        if not self.package or site_packages(self.package):
            return ""
        return f"{self.package} is not installed: " + " ".join(f"--with {name}" for name in self.install)

    def paths(self) -> dict[str, str]:
        """The variables by which Python finds what is installed for this program alone."""
        folder = site_packages(self.package) if self.package else None
        return {"PYTHONPATH": str(folder)} if folder and folder != site_packages("ray") else {}


def site_packages(module: str) -> Path | None:
    """The folder of an installed package; None if it is not installed."""
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # a package above it
        return None
    return Path(str(found.origin)).parents[module.count(".") + 1] if found else None


def python() -> str:
    """The interpreter of the project's environment, even below `uv run --with`, which puts other packages before it."""
    folder = site_packages("ray")
    assert folder
    return str(folder.parents[2] / "bin" / "python")


PROGRAMS = {
    "ours": Program(OURS, "", ray=True, knows=True),
    "serial": Program("serial loop", "serial_loop.py"),
    "pool": Program("multiprocessing.Pool", "process_pool.py"),
    "ray": Program("plain Ray", "ray_tasks.py", ray=True),
    "ray_data": Program("plain Ray Data", "ray_dataset.py", ray=True),
    "daft": Program("Daft", "daft_frame.py", "daft", ("daft",)),
    "langchain": Program(
        "LangChain index()",
        "langchain_index.py",
        "langchain_milvus",
        ("langchain-classic", "langchain-huggingface", "langchain-milvus", "langchain-text-splitters"),
        kinds=("pdfs",),
        knows=True,
        fields=("source", "text", "vector"),
    ),
    "llamaindex": Program(
        "LlamaIndex",
        "llamaindex_pipeline.py",
        "llama_index.vector_stores.milvus",
        ("llama-index-core", "llama-index-embeddings-huggingface", "llama-index-vector-stores-milvus"),
        kinds=("pdfs",),
        knows=True,
        fields=("doc_id", "text", "embedding"),
    ),
}
