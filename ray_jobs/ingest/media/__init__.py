"""Videos and recordings: sound, key frames, passages."""
