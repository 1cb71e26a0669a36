"""The models: a description of each, read from its small files, and an object that loads and runs it."""
