"""The child that parses computes without subnormal numbers, which slow the detection of lines down threefold."""

import subprocess
import sys
from pathlib import Path

import pytest

RAY_JOBS = Path(__file__).parents[3] / "ray_jobs"
CHILD = """
import numpy as np
from ingest.pdf.document import prepare_documents
from ingest.pdf.ocr import _engine

prepare_documents("")
before = np.float32(1e-39) > 0
_engine()
print(before, np.float32(1e-39) > 0)
"""


@pytest.mark.tier("parts")
def test_subnormal_numbers_are_zero_as_soon_as_the_engine_is_there():
    done = subprocess.run([sys.executable, "-c", CHILD], cwd=RAY_JOBS, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "False"], done.stderr
