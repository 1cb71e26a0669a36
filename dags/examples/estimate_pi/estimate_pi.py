"""Estimate pi on a Ray cluster. The last line of the output, ``REPORT {json}``, becomes the result of the task."""

from __future__ import annotations

import argparse
import json
import random

import ray


@ray.remote
def hits(samples: int, seed: int) -> int:
    """The number of random points of the unit square that lie in the circle."""
    points = random.Random(seed)
    return sum(points.random() ** 2 + points.random() ** 2 < 1 for _ in range(samples))


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--samples", type=int, default=100_000)
parser.add_argument("--seed", type=int, default=0)
flags = parser.parse_args()

ray.init()
parts = 10
print(f"Counting {flags.samples:,} points in {parts} parts.")
counts = ray.get([hits.remote(flags.samples // parts, flags.seed * parts + part) for part in range(parts)])
print("REPORT " + json.dumps({"pi": 4 * sum(counts) / (flags.samples // parts * parts), "samples": flags.samples}))
