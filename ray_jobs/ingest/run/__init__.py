"""One run of a pipeline, from its flags to its report."""
