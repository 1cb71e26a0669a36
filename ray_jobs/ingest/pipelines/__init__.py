"""The three pipelines: what each reads, its models, its stages."""
