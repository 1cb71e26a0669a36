"""Operators: tasks with a Ray job."""
