# Stage 1 builds the wheel and installs it, with the pinned dependencies, into an environment of its own.
FROM python:3.13-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/alicia-scheduler

COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY alicia_scheduler ./alicia_scheduler
RUN pip wheel --no-deps --wheel-dir /wheels . \
 && /opt/alicia-scheduler/bin/pip install --constraint constraints.txt /wheels/*.whl \
 && /opt/alicia-scheduler/bin/python -m compileall -q /opt/alicia-scheduler/lib \
 && /opt/alicia-scheduler/bin/pip uninstall --yes --quiet pip

# Stage 2 holds the environment and nothing that built it.
FROM python:3.13-slim

# A fixed number, so that the owner of a mounted /data can be set beforehand: chown 10001:10001 data
RUN groupadd --gid 10001 scheduler \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin scheduler \
 && install --directory --owner=10001 --group=10001 /data

COPY --from=build /opt/alicia-scheduler /opt/alicia-scheduler
COPY config /config

ENV PATH=/opt/alicia-scheduler/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ALICIA_SCHEDULER_CONFIG=/config/scheduler.yaml \
    ALICIA_SCHEDULER_STORE__URL=sqlite:////data/scheduler.db

USER 10001:10001
WORKDIR /data
VOLUME ["/config", "/data"]
EXPOSE 8025

# Ready: the store is open, recovery is done and the broker is connected. urlopen raises on 503, and the check fails.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ.get('ALICIA_SCHEDULER_HTTP__PORT', '8025') + '/health/ready', timeout=4)"]

ENTRYPOINT ["alicia-scheduler"]
CMD ["run"]
