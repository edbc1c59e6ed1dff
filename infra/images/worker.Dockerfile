# syntax=docker/dockerfile:1
# A worker that trains and evaluates, on the CPU or on GPUs. Build it in the root of the sources:
#   docker build -f infra/images/worker.Dockerfile -t nasflow-worker .
# The locked torch brings the libraries of CUDA; of the machine it takes the driver alone, by NVIDIA's container toolkit.
# A base with more of CUDA, such as nvidia/cuda:13.0.1-base-ubuntu24.04, can be given as BASE.
# Named by tag. Give it as NAME@sha256:... to build the same image again.
ARG BASE=debian:12.12-slim

FROM ${BASE} AS build
ARG SOURCE_DATE_EPOCH=315532800
COPY . /src
RUN /src/infra/images/install.sh worker

FROM ${BASE}
ARG SOURCE_DATE_EPOCH=315532800
ARG REVISION=unknown
LABEL org.opencontainers.image.title="nasflow-worker" \
      org.opencontainers.image.description="GPU worker of nasflow: training and evaluation" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
COPY infra/images/system.sh /usr/local/sbin/nasflow-system
# Lists and logs hold times, and are not needed in an image.
RUN /usr/local/sbin/nasflow-system && apt-get clean && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log \
    /var/log/alternatives.log /var/cache/ldconfig/aux-cache
COPY --from=build /opt/nasflow /opt/nasflow
# All that is written goes to /work, so that the root can be read-only.
ENV PATH=/opt/nasflow/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/work TMPDIR=/work PREFECT_HOME=/work/prefect NASFLOW_WORK_DIR=/work/nasflow MPLCONFIGDIR=/work/matplotlib \
    PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 ORT_DISABLE_TELEMETRY=1 PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PREFECT_WORKER_WEBSERVER_HOST=127.0.0.1 PREFECT_WORKER_WEBSERVER_PORT=8080 HEALTH_URL=http://127.0.0.1:8080/health
USER 10001:10001
WORKDIR /work
VOLUME /work
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(os.environ['HEALTH_URL'], timeout=8)"]
CMD ["nasflow", "worker", "--pool", "gpu"]
