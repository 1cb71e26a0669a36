"""Milvus: connections, collections, filter expressions."""
