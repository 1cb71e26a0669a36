"""Hooks: access to a Ray cluster."""
