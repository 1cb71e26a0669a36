"""Proof of quality: how often the search finds the places that answer a set of questions."""
