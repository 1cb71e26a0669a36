"""The limit on the objects that one run may remove, against listings that are empty or half by mistake.

A mount that is away, a wrong bucket, a lifecycle rule or an outage that answers 200 look like mass deletion.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

FREE_DELETIONS = 10
"""Objects that any run may remove, so that small sources need no exceptions."""


@dataclass(frozen=True, slots=True)
class DeletionLimit:
    """A run may remove `fraction` of the objects that the ledger knows under a source, or FREE_DELETIONS of them.

    Attributes:
        fraction: between 0 and 1.
        approved: objects that it may remove in any case, by source.
    """

    fraction: float
    approved: Mapping[str, int] = field(default_factory=dict)

    def is_exceeded(self, missing: int, known: int) -> bool:
        """Whether `missing` objects of `known` ones are too many to remove."""
        return missing > max(FREE_DELETIONS, math.floor(self.fraction * known))

    def withheld(self, counts: Mapping[str, tuple[int, int]]) -> list[str]:
        """The sources of which nothing may be removed.

        These are the sources that exceed the limit by themselves, so that full ones do not hide an empty one; and all
        sources, if the others exceed it together, so that many small ones that are empty do not pass one by one. A
        source that loses no more than is approved for it is none of these, and does not count for the others.

        Args:
            counts: the numbers of missing and of known objects, by source.
        """
        losing = {source: count for source, count in counts.items() if count[0] > self.approved.get(source, 0)}
        alone = [source for source, (missing, known) in losing.items() if self.is_exceeded(missing, known)]
        others = [source for source in losing if source not in alone]
        missing = sum(counts[source][0] for source in others)
        known = sum(known for _, known in counts.values())
        return [*alone, *others] if self.is_exceeded(missing, known) else alone
