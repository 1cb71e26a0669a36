# Stands in for quay.io/minio/minio: SeaweedFS as the S3 server, behind MinIO's command, variables and health path.
ARG BASE
FROM ${BASE}
COPY weed /usr/bin/weed
COPY minio_front.py /usr/local/bin/minio-front
VOLUME /data
ENTRYPOINT ["python3", "/usr/local/bin/minio-front"]
