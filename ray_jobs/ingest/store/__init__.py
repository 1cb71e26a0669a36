"""The object store: list a prefix, read an object at the version that was listed."""
