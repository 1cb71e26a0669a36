"""The ledger: what is known of each object, what differs from the store, and the order of writes."""
