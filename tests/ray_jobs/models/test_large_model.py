"""A text model of production's shape, with random weights: 2.3 GB, which ONNX cannot hold in one file."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embedded.text_shapes import bge_m3
from ingest.models import cpu_texts
from ingest.models.cpu_texts import CpuTexts
from ingest.models.text_encoder import TextEncoder

TEXTS = ["The ferry leaves the harbour at half past six.", "Die Fähre legt um halb sieben ab. " * 5]

SECOND_PROCESS = """
import sys
from pathlib import Path
import numpy as np
from ingest.models.text_encoder import TextEncoder
encoder = TextEncoder(sys.argv[1], 1024)
np.save(sys.argv[2], encoder.encode(sys.argv[3:]))
assert "torch" not in sys.modules
(own,) = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon")]
print(int(own) * 1024)
"""


@pytest.fixture
def folder(tmp_path):
    """Emptied afterwards, since pytest keeps the folders of its last runs."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_a_model_of_2_gb_is_converted_and_takes_no_memory_for_its_embeddings(minilm_path, folder, monkeypatch):
    from ingest.models.torch_texts import TorchTexts

    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setattr(cpu_texts, "_SAMPLES", ["one", "one two three four " * 64])
    model = str(bge_m3(folder / "model", Path(minilm_path), small=False, tokens=8192))
    assert isinstance(TextEncoder(model, 1024)._model, CpuTexts)
    assert sum(file.stat().st_size for file in (folder / "cache").rglob("*")) < 2_400_000_000
    second = subprocess.run(
        [sys.executable, "-c", SECOND_PROCESS, model, str(folder / "vectors.npy"), *TEXTS],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    vectors = np.load(folder / "vectors.npy")
    assert (vectors * TorchTexts(model, 1, "cpu").embed(TEXTS, "document")).sum(axis=1).min() > 0.9999
    assert int(second.stdout) < 1_700_000_000
