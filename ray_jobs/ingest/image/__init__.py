"""Images: from bytes to the square of pixels that a model takes."""
