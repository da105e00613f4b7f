# syntax=docker/dockerfile:1
# The shipper in an image: its wheel and what it needs, on a slim base, as nobody in particular, nothing to build with.
#
#   docker build --build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) -t github-log-shipper .
#   docker run --rm --read-only --tmpfs /tmp -v shipper:/var/lib/shipper \
#       -v $PWD/pipelines.yaml:/etc/shipper/pipelines.yaml:ro -e GITHUB_TOKEN -e GITHUB_ORG github-log-shipper
ARG PYTHON=3.13
ARG BASE=docker.io/library/python:${PYTHON}-slim

FROM ${BASE} AS build
ARG SOURCE_DATE_EPOCH=0
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONHASHSEED=0
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY shipper shipper
# Bytecode that is checked by hash, not by time, is the same in every build.
RUN python -m venv /opt/shipper \
    && /opt/shipper/bin/pip install --no-compile . \
    && /opt/shipper/bin/pip uninstall --quiet --yes setuptools pip \
    && /opt/shipper/bin/python -m compileall -q -f --invalidation-mode unchecked-hash /opt/shipper/lib \
    && mkdir -p /rootfs/opt /rootfs/etc/shipper /data/shipper \
    && mv /opt/shipper /rootfs/opt/shipper \
    && find /rootfs /data -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=""
LABEL org.opencontainers.image.title="github-log-shipper" \
      org.opencontainers.image.description="Ships GitHub audit logs and security alerts to any OpenTelemetry or syslog backend." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /rootfs/ /
COPY --from=build --chown=65532:65532 /data/ /var/lib/
ENV PATH=/opt/shipper/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2
WORKDIR /var/lib/shipper
VOLUME /var/lib/shipper
USER 65532:65532
EXPOSE 13133 8888
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["shipper", "health"]
ENTRYPOINT ["shipper"]
CMD ["run", "--config=/etc/shipper/pipelines.yaml"]
