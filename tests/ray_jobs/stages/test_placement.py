"""One of each stage is placed in the run's own group, and a task always is while no other one is."""

import pytest

from ingest.stages.cluster import Demand, Node, selected, unplaced
from ingest.stages.placement import FirstActorPlaced, OneTaskPlaced


class Here:
    """A place whose arguments are told apart from none."""

    def arguments(self):
        return {"scheduling_strategy": "here"}


def test_the_first_actor_of_a_pool_is_placed_and_the_others_are_anywhere():
    arguments = FirstActorPlaced(Here())
    assert [bool(arguments()) for _ in range(3)] == [True, False, False]


def test_a_task_is_placed_whenever_no_other_one_is():
    running, placed = set(), []
    arguments = OneTaskPlaced(Here(), lambda: (len(placed), running))
    arguments()  # Ray Data looks at them before it begins a task
    for ended in ((), (), {0}, (), {1, 2}, {3, 4}):
        running -= set(ended)
        placed.append(bool(arguments()))
        running.add(len(placed) - 1)
    assert placed == [True, False, True, False, True, True]


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (0, 1, 2, 3), (1, 3, 0, 2)])
def test_a_task_is_placed_in_whatever_order_tasks_end(order):
    """As many tasks run as Ray Data allows, and those that are anywhere may wait for ever."""
    running, placed, begun = set(), set(), 0
    arguments = OneTaskPlaced(Here(), lambda: (begun, running))
    for ended in (None, None, None, None, *order):
        running.discard(ended)
        if arguments():
            placed.add(begun)
        running.add(begun)
        begun += 1
        assert len(placed & running) == 1


def test_what_finds_no_place_is_counted():
    nodes = [Node(4, 0, 8e9), Node(2, 1, 4e9)]
    model = Demand("model", {"CPU": 1, "memory": 3e9}, 4)
    assert unplaced([model], nodes) == {"model": 1}
    assert unplaced([model, Demand("gpu", {"GPU": 0.5}, 3)], nodes) == {"model": 1, "gpu": 1}
    assert unplaced([Demand("half", {"CPU": 0.5}, 12), Demand("nothing", {}, 99)], nodes) == {}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("a", ["a"]), ("!a", ["b", None]), ("in(a, b)", ["a", "b"]), ("!in(a,b)", [None])],
)
def test_a_selector_takes_nodes_by_their_label(wanted, found):
    taken = [label for label in ("a", "b", None) if selected({"zone": wanted}, {"zone": label} if label else {})]
    assert taken == found


def test_thirds_of_a_node_fit_three_times():
    assert unplaced([Demand("third", {"CPU": 0.3333}, 3)], [Node(1, 0)]) == {}
