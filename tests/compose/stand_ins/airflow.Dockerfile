# Stands in for apache/airflow:3.3.2-python3.11: Airflow and the providers that docker-compose.yaml uses, with the user,
# the folders and the entrypoint of the official image. Of its other providers it has none.
ARG BASE
FROM ${BASE}
RUN useradd --create-home --uid 50000 --gid 0 airflow \
 && install -d -o airflow -g 0 -m 775 /opt/airflow /opt/airflow/dags /opt/airflow/logs /opt/airflow/plugins
COPY airflow-entrypoint /entrypoint
USER airflow
ENV VIRTUAL_ENV=/home/airflow/.local PATH=/home/airflow/.local/bin:$PATH AIRFLOW_HOME=/opt/airflow
ARG AIRFLOW_VERSION
ARG EXCLUDE_NEWER
RUN python3 -m venv $VIRTUAL_ENV \
 && pip install --no-cache-dir uv \
 && uv pip install --no-cache --compile-bytecode --exclude-newer $EXCLUDE_NEWER \
    "apache-airflow[fab,openlineage,postgres,statsd]==$AIRFLOW_VERSION"
WORKDIR /opt/airflow
ENTRYPOINT ["/usr/bin/dumb-init", "--", "/entrypoint"]
