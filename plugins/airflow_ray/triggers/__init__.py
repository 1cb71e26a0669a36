"""Triggers: watch a Ray job while its task is deferred."""
