"""Search the ingested collections: pages, images, spoken passages and video frames, by a question or an image."""
