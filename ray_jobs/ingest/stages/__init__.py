"""The stages of the pipelines as Ray Data runs them. Beside `run`, the only package that may import Ray."""
