"""The types of failure: who decides whether a failed object is retried, and that each says what to do."""

import pickle

import pytest

from ingest.common.errors import ObjectError
from ingest.common.failures import MAX_ATTEMPTS, Failure, is_retried


@pytest.mark.parametrize("failure", Failure)
def test_a_failure_that_may_pass_is_retried_until_its_attempts_are_used_up(failure):
    assert [is_retried(failure, attempts) for attempts in range(1, MAX_ATTEMPTS + 1)] == [
        *[failure.may_pass] * (MAX_ATTEMPTS - 1),
        False,
    ]


def test_a_failure_of_an_unknown_name_is_permanent():
    assert not is_retried("NamedByAnotherRevision", 1)


@pytest.mark.parametrize("failure", Failure)
def test_the_message_says_what_happened_and_what_to_do_on_every_node(failure):
    error = pickle.loads(pickle.dumps(ObjectError(failure, "the facts", limit=1.5)))
    assert (error.failure, error.limit) == (failure, 1.5)
    assert error.message == str(error) == f"the facts; {failure.advice}"
