"""Ingestion into Milvus as Ray jobs. `lint-imports` checks the layers that `pyproject.toml` lists."""
