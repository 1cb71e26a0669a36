"""PDF parsing: from bytes to chunks and figures."""
