"""Continue with smaller batches when a batch exceeds a GPU's memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from ingest.common.errors import JobError

T = TypeVar("T")


class AdaptiveBatches:
    """Cuts inputs into batches, and halves their size for good whenever one exceeds the GPU's memory.

    Args:
        size: inputs of the first batch.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def map(self, function: Callable[[slice], T], count: int) -> Iterator[tuple[slice, T]]:
        """Call `function` for consecutive slices of `count` inputs; yields each slice with its result.

        Raises:
            JobError: a single input exceeds the GPU's memory.
        """
        start = 0
        while start < count:
            batch = slice(start, min(start + self.size, count))
            try:
                result = function(batch)
            except Exception as error:
                self.size = halved_batch_size(error, min(self.size, batch.stop - batch.start))
                continue
            yield batch, result
            start = batch.stop


def halved_batch_size(error: Exception, size: int) -> int:
    """Half of `size`, the size of the batch that failed with `error`; also frees the memory of that batch.

    Raises:
        JobError: a single input exceeds the GPU's memory.
        Exception: `error` itself, if it has another cause.
    """
    import torch

    # CTranslate2 and ONNX Runtime raise plain errors.
    is_memory = any(words in str(error).lower() for words in ("out of memory", "failed to allocate memory"))
    if not isinstance(error, torch.cuda.OutOfMemoryError) and not is_memory:
        raise error
    if size == 1:
        raise JobError(
            "the GPU has not enough memory for this model and a single input; give its stage a larger share of a GPU "
            "in --resources, or choose a smaller model"
        ) from None
    # The allocator would keep the memory of the failed batch, in pieces of the wrong size.
    torch.cuda.empty_cache()
    return size // 2
