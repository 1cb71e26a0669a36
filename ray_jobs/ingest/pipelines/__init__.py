"""The three pipelines: for each its flags, its models and its stages."""
