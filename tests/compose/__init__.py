"""docker-compose.yaml with a Docker engine: the engine, the images, and the stack of the tests here."""
