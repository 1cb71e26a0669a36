"""The page of this platform in the Airflow UI: what Milvus holds, what failed and why, and where a phrase stands.

``registration`` is all that the plugin imports. Everything else loads in the API server alone, at its start or with the
first request, and nothing of it can keep Airflow from starting.
"""
