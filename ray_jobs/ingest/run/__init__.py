"""A run of a pipeline, from its flags to its report and exit code."""
