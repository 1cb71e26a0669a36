"""The limit on the objects that one run may remove, against listings that are empty or half by mistake.

A mount that is away, a wrong bucket, a lifecycle rule or an outage that answers 200 look like mass deletion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FREE_DELETIONS = 10
"""Objects that any run may remove, so that small sources need no exceptions."""


@dataclass(frozen=True, slots=True)
class DeletionLimit:
    """A run may remove `fraction` of the objects that the ledger knows under the source, or FREE_DELETIONS of them."""

    fraction: float

    def is_exceeded(self, missing: int, known: int) -> bool:
        """Whether `missing` objects of `known` ones are too many to remove."""
        return missing > max(FREE_DELETIONS, math.floor(self.fraction * known))
