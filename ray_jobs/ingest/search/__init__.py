"""Questions and images to pages, pictures and moments."""
