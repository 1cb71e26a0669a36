"""Image decoding: from bytes to the square of pixels that a model takes."""
