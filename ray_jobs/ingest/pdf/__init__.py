"""PDFs: from bytes to chunks and figures."""
