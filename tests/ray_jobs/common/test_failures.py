"""The types of failure: whether a run retries the object, and the advice in the message."""

import pickle

import pytest

from ingest.common.errors import ObjectError
from ingest.common.failures import MAX_ATTEMPTS, Failure, is_retried


@pytest.mark.parametrize("failure", Failure)
def test_a_failure_that_may_pass_is_retried_up_to_the_limit_of_attempts(failure):
    assert [is_retried(failure, attempts) for attempts in range(1, MAX_ATTEMPTS + 1)] == [
        *[failure.may_pass] * (MAX_ATTEMPTS - 1),
        False,
    ]


def test_an_unknown_failure_is_permanent():
    assert not is_retried("NamedByAnotherRevision", 1)


@pytest.mark.parametrize("failure", Failure)
def test_the_message_gives_facts_and_advice_after_pickling(failure):
    error = pickle.loads(pickle.dumps(ObjectError(failure, "the facts", limit=1.5)))
    assert (error.failure, error.limit) == (failure, 1.5)
    assert error.message == str(error) == f"the facts; {failure.advice}"
