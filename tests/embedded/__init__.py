"""The embedded platform: Ray head, S3 server, Milvus Lite server and Airflow standalone on free loopback ports.

The demo and the tests start the same parts through the same classes. Each part is a context manager with `start`,
`stop` and `kill`; after `stop` or `kill` no process of it is left, and none outlives the program that started it.
"""
