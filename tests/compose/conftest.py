"""The engine, its images and the stack, for the tests of this folder: one stack for all of them, in their order."""

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from compose.engine import Docker, NoEngineError, OwnEngine, check_commands, running_engine
from compose.images import make_stand_ins
from compose.stack import Stack
from embedded.model_cache import cache_home

# A small host: the whole stack in 8 GB.
SIZES = {
    "RAY_WORKER_MEMORY": "3g",
    "RAY_HEAD_MEMORY": "2g",
    "RAY_OBJECT_STORE_BYTES": "300000000",
    "RAY_SHM_SIZE": "400mb",
    "MILVUS_MEMORY": "2g",
    "RAY_OPEN_FILES": str(min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1])),
    # Models in the volume, since the containers reach no model hub.
    "INGEST_EMBEDDING_MODEL": "/models/embedding",
    "INGEST_CLIP_MODEL": "/models/clip",
    "INGEST_WHISPER_MODEL": "/models/whisper",
}


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    """The engine of this machine with the real images, or else one of the tests' own with stand-ins."""
    try:
        check_commands(["docker"])
        if running := running_engine():
            yield running
            return
        check_commands(["dockerd", "debootstrap"])
        if os.getuid() != 0:
            raise NoEngineError("no Docker engine runs here, and only root may start one")
    except NoEngineError as error:
        pytest.skip(f"docker-compose.yaml was not started: {error}")
    folder = Path(tempfile.mkdtemp(prefix="dockerd-", dir="/tmp"))
    engine = OwnEngine(folder, cache_home() / "docker")
    try:
        with engine:
            make_stand_ins(engine.docker, print)
            yield engine.docker
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def stack(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, of which nothing is up yet."""
    made = Stack(docker, tmp_path_factory.mktemp("checkout"), "ingest-test", SIZES)
    yield made
    made.compose("down", "--volumes", "--timeout", "20", timeout=300)
