# Stands in for quay.io/coreos/etcd:v3.5.25: Debian's etcd 3.5, of an older patch release.
ARG BASE
FROM ${BASE}
ENTRYPOINT []
CMD ["etcd"]
