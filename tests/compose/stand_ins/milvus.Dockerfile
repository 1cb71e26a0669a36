# Stands in for milvusdb/milvus:v3.0.2: Milvus 2.3.5, the last server that a Python package carries. It has no full-text
# search and does not read the root user's password from its environment.
ARG BASE
FROM ${BASE}
COPY milvus /milvus
ENV PATH=/milvus/bin:$PATH LD_LIBRARY_PATH=/milvus/bin
# The package is made for one process alone; the image's defaults are etcd and an object store of their own.
ENV ETCD_USE_EMBED=false COMMON_STORAGETYPE=minio DEPLOY_MODE=STANDALONE
WORKDIR /milvus
ENTRYPOINT ["/usr/bin/dumb-init", "--"]
