"""Keep going where a GPU's memory is too small for a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from ingest.common.errors import JobError

T = TypeVar("T")


class Batches:
    """Cuts inputs into batches, and into smaller ones from when a batch has not fitted.

    Args:
        size: inputs per batch to begin with.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def map(self, function: Callable[[slice], T], count: int) -> Iterator[tuple[slice, T]]:
        """Call `function` for slices of `count` inputs, in their order; yields each slice with its result.

        Raises:
            JobError: the GPU has not enough memory for a single input.
        """
        start = 0
        while start < count:
            batch = slice(start, min(start + self.size, count))
            try:
                result = function(batch)
            except Exception as error:
                self.size = smaller(error, min(self.size, batch.stop - batch.start))
                continue
            yield batch, result
            start = batch.stop


def smaller(error: Exception, size: int) -> int:
    """The size to go on with after a batch of `size` inputs has failed with `error`.

    Raises:
        JobError: the GPU has not enough memory for a single input.
        Exception: `error`, if it is about something else.
    """
    import torch

    # CTranslate2 raises a RuntimeError of its own.
    if not isinstance(error, torch.cuda.OutOfMemoryError) and "out of memory" not in str(error).lower():
        raise error
    if size == 1:
        raise JobError(
            "the GPU has not enough memory for this model and a single input; give its stage a larger share of a GPU "
            "in --resources, or take a smaller model"
        ) from None
    # Give back what the failed batch had been given, which the allocator would keep in pieces of the wrong size.
    torch.cuda.empty_cache()
    return size // 2
