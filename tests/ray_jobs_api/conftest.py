"""The shared Ray head as the tests of the client see it."""

from ray_head_client import attempt, cluster

__all__ = ["attempt", "cluster"]
