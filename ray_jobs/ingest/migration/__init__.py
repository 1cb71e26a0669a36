"""Collections of more than one model, and the switch from one to the other."""
