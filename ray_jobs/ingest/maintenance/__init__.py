"""Collections compared with the ledger, and kept true to it."""
