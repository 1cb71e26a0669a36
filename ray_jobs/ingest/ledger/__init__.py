"""The ledger: the entries of objects, their differences from the store, leases, and the order of writes."""
