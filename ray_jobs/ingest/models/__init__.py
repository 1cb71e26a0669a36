"""The models: what a run must know of one before it loads it, and how one is called."""
