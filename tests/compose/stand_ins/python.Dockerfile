# Stands in for python:3.11.14-slim-bookworm: Debian's own Python 3.11, of an older patch release.
ARG BASE
FROM ${BASE}
RUN ln -s python3 /usr/bin/python && rm -f /usr/lib/python3*/EXTERNALLY-MANAGED
CMD ["python3"]
