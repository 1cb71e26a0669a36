"""Links from a task to its Ray job."""
