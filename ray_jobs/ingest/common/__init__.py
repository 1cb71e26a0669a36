"""Ground that every package stands on: errors, limits, names, and the sandbox for parsers. Imports no other package."""
