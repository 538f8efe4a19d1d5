# The image of every Airflow service in docker-compose.yaml. Our own, and not apache/airflow, so that
# it holds the versions the tests ran with. BuildKit is not needed.
ARG PYTHON=python:3.12.15-slim-bookworm@sha256:54c85f3c47607a77f32adec749d3c81d1348bf25833671f512b26a9b6d778cb3

FROM ${PYTHON} AS packages
RUN python -m pip install --no-cache-dir --disable-pip-version-check uv==0.13.9 \
    && uv venv /opt/venv
COPY requirements-image.txt .
RUN uv pip install --python /opt/venv/bin/python --no-cache --compile-bytecode --require-hashes -r requirements-image.txt

FROM ${PYTHON}
# A new named volume takes its owner from the folder it covers.
RUN useradd --uid 50000 --no-create-home --home-dir /opt/airflow airflow \
    && install -d -o airflow -g airflow /opt/airflow /opt/airflow/logs /app/models /app/data_docs
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY LICENSE ./
COPY clickhouse clickhouse
COPY dags dags
COPY docker docker
COPY expectations expectations
COPY ml ml
COPY notifications notifications
COPY pipeline pipeline
COPY plugins plugins
COPY sample_market sample_market
COPY theme theme
# Models name the commit they came from, and an image has no history.
ARG GIT_COMMIT=
RUN echo "$GIT_COMMIT" > /app/.commit
# The user may not write here, so Python could not keep its bytecode at run time.
RUN /opt/venv/bin/python -m compileall -q /app
ENV PATH=/opt/venv/bin:$PATH
USER 50000:50000
CMD ["airflow", "version"]
