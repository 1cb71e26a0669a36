"""The fixture of the benchmarks that measure what this project aims at."""

import pytest

from benchmarks.aims import Figures


@pytest.fixture
def figures(request) -> Figures:
    """The kept figures; each that is noted updates tests/aims.json and its page."""
    return Figures(test=request.path.name)
