"""Migration from one embedding model to another: collections per model, and the switch of the aliases."""
