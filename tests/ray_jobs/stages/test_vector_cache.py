"""The cache of vectors: which actor embeds a text, and which vectors go first."""

import numpy as np
import pytest

from ingest.stages.vector_cache import CLAIM_TIMEOUT, VectorCache, VectorCacheClient, text_digest

DIMENSION = 4
A, B, C, D = (text_digest(text) for text in "abcd")


@pytest.fixture
def cache(clock):
    return VectorCache(DIMENSION, clock=clock)


def vectors(*values):
    return np.array([[value] * DIMENSION for value in values], np.float32)


def test_an_unknown_text_is_claimed_and_then_known_to_other_actors(cache):
    answer = cache.look_up("one", [A, B])
    assert (answer.known, answer.claimed) == ([], [0, 1])
    cache.put("one", [A, B], vectors(1, 2))
    answer = cache.look_up("two", [B, C, A])
    assert (answer.known, answer.claimed) == ([0, 2], [1])
    np.testing.assert_array_equal(answer.vectors, vectors(2, 1))


def test_a_text_that_another_actor_is_embedding_is_neither_known_nor_claimed(cache):
    cache.look_up("one", [A])
    answer = cache.look_up("two", [A, B])
    assert (answer.known, answer.claimed) == ([], [1])


def test_an_actor_that_restarts_gets_its_own_claims_again(cache):
    cache.look_up("one", [A])
    assert cache.look_up("one", [A]).claimed == [0]


def test_the_claims_of_a_silent_actor_pass_to_another(cache, clock):
    cache.look_up("one", [A])
    clock.now = CLAIM_TIMEOUT - 1
    assert cache.look_up("two", [A]).claimed == []
    clock.now = CLAIM_TIMEOUT
    assert cache.look_up("two", [A]).claimed == [0]
    assert cache.look_up("three", [A]).claimed == []


def test_an_actor_that_stores_vectors_keeps_its_claims(cache, clock):
    cache.look_up("one", [A, B])
    clock.now = CLAIM_TIMEOUT - 1
    cache.put("one", [A], vectors(1))
    clock.now = CLAIM_TIMEOUT + 1
    answer = cache.look_up("two", [A, B])
    assert (answer.known, answer.claimed) == ([0], [])


def test_the_oldest_vectors_go_first_when_the_file_is_full(clock):
    cache = VectorCache(DIMENSION, max_bytes=2 * 4 * DIMENSION, clock=clock)
    cache.put("one", [A, B, C], vectors(1, 2, 3))
    answer = cache.look_up("one", [A, B, C])
    assert (answer.known, answer.claimed) == ([1, 2], [0])
    np.testing.assert_array_equal(answer.vectors, vectors(2, 3))


def test_a_full_disk_costs_some_vectors_and_nothing_else(cache, monkeypatch):
    cache.put("one", [A, B], vectors(1, 2))

    def full(*_):
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.pwrite", full)
        cache.put("one", [C], vectors(3))
    assert cache.look_up("two", [A, B, C]).known == [0, 1]
    cache.put("one", [D], vectors(4))  # there is room for two: the oldest makes way
    answer = cache.look_up("three", [A, B, C, D])
    assert answer.known == [1, 3]
    np.testing.assert_array_equal(answer.vectors, vectors(2, 4))


class Call:
    """A method of an actor's handle; it is called at once."""

    def __init__(self, method):
        self._method = method

    def remote(self, *arguments):
        return self._method(*arguments)


@pytest.fixture
def client_of(monkeypatch):
    """Makes a client of real caches in this process."""
    monkeypatch.setattr("ray.get", lambda result: result)

    def make(*caches):
        return VectorCacheClient(
            *(type("Handle", (), {"look_up": Call(cache.look_up), "put": Call(cache.put)})() for cache in caches)
        )

    return make


@pytest.fixture
def client(client_of, cache):
    return client_of(cache)


def encode(asked):
    def run(texts, done):
        asked.append(list(texts))
        found = vectors(*[float(ord(text)) for text in texts])
        done(range(len(texts)), found)
        return found

    return run


def test_each_text_is_embedded_once_and_every_vector_is_in_its_place(client):
    asked = []
    matrix, reused = client.embed("one", ["b", "a", "b", "b"], encode(asked), DIMENSION)
    assert (asked, reused) == ([["b", "a"]], 2)
    np.testing.assert_array_equal(matrix, vectors(98, 97, 98, 98))
    matrix, reused = client.embed("two", ["a", "c"], encode(asked), DIMENSION)
    assert (asked[1:], reused) == ([["c"]], 1)
    np.testing.assert_array_equal(matrix, vectors(97, 99))


def test_no_texts_give_no_vectors(client):
    matrix, reused = client.embed("one", [], encode([]), DIMENSION)
    assert (matrix.shape, reused) == ((0, DIMENSION), 0)


def test_a_text_that_another_actor_is_embedding_is_waited_for(client, cache, monkeypatch):
    cache.look_up("other", [text_digest("a")])
    waits = []

    def other_is_done(seconds):
        waits.append(seconds)
        cache.put("other", [text_digest("a")], vectors(7))

    monkeypatch.setattr("time.sleep", other_is_done)
    asked = []
    matrix, reused = client.embed("one", ["a", "b"], encode(asked), DIMENSION)
    assert (asked, len(waits), reused) == ([["b"]], 1, 1)
    np.testing.assert_array_equal(matrix, vectors(7, 98))


def test_several_actors_divide_the_texts_among_them(client_of, clock):
    caches = [VectorCache(DIMENSION, clock=clock) for _ in range(3)]
    client, texts, asked = client_of(*caches), [chr(number) for number in range(97, 123)], []
    matrix, reused = client.embed("one", texts, encode(asked), DIMENSION)
    assert (asked, reused) == ([texts], 0)
    np.testing.assert_array_equal(matrix, vectors(*range(97, 123)))
    matrix, reused = client.embed("two", [*texts[::-1], "A"], encode(asked), DIMENSION)
    assert (asked[1:], reused) == ([["A"]], 26)
    np.testing.assert_array_equal(matrix, vectors(*range(122, 96, -1), 65))
    kept = [len(cache.look_up("three", [text_digest(text) for text in texts]).known) for cache in caches]
    assert sum(kept) == 26
    assert min(kept) > 0
