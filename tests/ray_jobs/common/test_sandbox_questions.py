"""A function in the child of a sandbox asks the process around it."""

import sys
from pathlib import Path

import pytest

from ingest.common.errors import JobError
from ingest.common.limits import Limits
from ingest.common.sandbox import Sandbox

pytestmark = pytest.mark.tier("parts")  # each sandbox is a process


@pytest.fixture(scope="module")
def asking():
    """The child imports by name, with the `sys.path` of its parent."""
    sys.path.insert(0, str(Path(__file__).parent))
    import misbehaviour

    yield misbehaviour
    sys.path.remove(str(Path(__file__).parent))


@pytest.fixture(scope="module")
def sandbox(asking):
    with Sandbox(asking.keep, Limits(seconds=60), "") as sandbox:
        yield sandbox


def test_a_function_gets_the_answer_of_its_parent(sandbox, asking):
    sandbox.answer = lambda question: question * 2
    assert sandbox.run(asking.ask, 21) == (True, 42)
    sandbox.answer = None
    assert not sandbox.run(asking.is_answered)


def test_what_the_answer_raises_ends_the_function_and_its_child(sandbox, asking):
    def refuse(question):
        raise JobError(f"nobody knows {question}")

    before = sandbox.run(asking.process)
    sandbox.answer = refuse
    with pytest.raises(JobError, match="nobody knows this"):
        sandbox.run(asking.ask, "this")
    sandbox.answer = None
    assert sandbox.run(asking.process) != before
