"""The stages of the pipelines as Ray Data runs them. Only this package and `run` may import Ray."""
