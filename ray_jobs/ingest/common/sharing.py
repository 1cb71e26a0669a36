"""When the work on one object is worth sharing among several processes."""

from __future__ import annotations

SHARED_SECONDS = 8.0
"""The rest of an object is worth sharing if it is likely to take so many seconds, since another process takes one to
start."""
