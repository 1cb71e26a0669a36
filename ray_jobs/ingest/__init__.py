"""What the ingestion pipelines share. Knows nothing of Airflow; only `pipeline`, `stages`, `milvus_sink` know Ray."""
