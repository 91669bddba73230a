# syntax=docker/dockerfile:1
# One image for everything: web, worker, bootstrap, or all of it in one container. linux/amd64 and linux/arm64:
#   docker buildx build --platform linux/amd64,linux/arm64 -t spark-control .
# It holds no secret and needs none to be built; see docs/operations.md.

ARG PYTHON_IMAGE=python:3.11.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.txt /tmp/requirements.txt
RUN python -m venv /opt/venv \
 && /opt/venv/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r /tmp/requirements.txt

FROM ${PYTHON_IMAGE} AS product
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY manage.py ./
COPY cluster cluster
COPY swaps swaps
COPY services services
COPY sparkcontrol sparkcontrol
COPY templates templates
COPY fixtures fixtures
# The static files are part of the image, so that its root can be read-only. What settings make up meanwhile is in /tmp/build.
RUN SPARKCONTROL_DATA_DIR=/tmp/build SPARKCONTROL_STATIC_DIR=/app/static python manage.py collectstatic --no-input --verbosity 0 \
 && rm -rf /tmp/build \
 && python -m compileall -q /app

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Spark Control" \
      org.opencontainers.image.description="The GPU arbiter and control plane for NVIDIA DGX Sparks"
RUN groupadd --gid 10001 spark-control \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin spark-control \
 && install -d -o 10001 -g 10001 -m 0700 /data
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    SPARKCONTROL_DATA_DIR=/data \
    SPARKCONTROL_STATIC_DIR=/app/static \
    BIND=0.0.0.0 \
    PORT=9999 \
    SPARKS=real
COPY --from=product /opt/venv /opt/venv
COPY --from=product /app /app
WORKDIR /app
USER 10001:10001
VOLUME /data
EXPOSE 9999
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-m", "sparkcontrol.healthcheck"]
# Everything in one container, with SQLite in /data. docker-compose.yml runs the parts apart.
CMD ["python", "-m", "sparkcontrol.supervisor"]
