"""Where the actors and the tasks of a run are placed: one of each stage in the run's own placement group.

What is in the group waits for nobody else's work, so that a run that has begun also ends, whatever runs beside it. All
others take what is free in the cluster, and the run goes on without those that find no place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ray.util.placement_group import PlacementGroup


@dataclass(frozen=True, slots=True)
class Place:
    """A bundle of a placement group."""

    group: PlacementGroup
    bundle: int

    def arguments(self) -> dict[str, Any]:
        """The arguments of Ray for what runs here."""
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        return {
            "scheduling_strategy": PlacementGroupSchedulingStrategy(
                self.group, self.bundle, placement_group_capture_child_tasks=False
            )
        }


class FirstActorPlaced:
    """Gives Ray Data the arguments for each actor of a pool: the first one is placed, the others are anywhere."""

    def __init__(self, place: Place) -> None:
        self._place: Place | None = place

    def __call__(self) -> dict[str, Any]:
        place, self._place = self._place, None
        return place.arguments() if place else {}


class OneTaskPlaced:
    """Gives Ray Data the arguments for each task of a stage: one at a time is placed, the others are anywhere.

    Ray Data has a task less to begin as long as one waits for its place. If all of them waited elsewhere, none would go
    on; so a task is placed whenever no other one is.

    Args:
        tasks: returns how many tasks the stage has begun, and the numbers of those that have not ended, counted from 0
            in order of their begin. Ray Data also asks for the arguments without beginning a task.
    """

    def __init__(self, place: Place, tasks: Callable[[], tuple[int, set[int]]]) -> None:
        self._place = place
        self._tasks = tasks
        self._placed = -1

    def __call__(self) -> dict[str, Any]:
        begun, running = self._tasks()
        if self._placed in running:
            return {}
        self._placed = begun
        return self._place.arguments()
