"""Video and audio files: decoding, key frames, and passages of speech."""
