"""Maintenance: compares the collections with the ledger, and repairs them."""
