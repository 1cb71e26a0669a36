"""Ingestion into Milvus as Ray jobs. `lint-imports` checks the layers that `pyproject.toml` lists."""

import os

# Since 1.29, ONNX Runtime sends the names of models and the like to Microsoft, unless this is set before its import.
# The parsers' OCR and Whisper's detection of voices import it too, so it is set for every process of a job.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
