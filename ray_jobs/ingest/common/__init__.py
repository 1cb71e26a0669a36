"""The foundation of all packages: errors, limits, ids, and the sandbox for parsers. It imports no other package."""
