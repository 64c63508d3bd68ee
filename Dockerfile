# Gliotype in an image that needs no network and no right to write at run time:
#   docker build -t gliotype .
#   docker run --rm --network none --read-only --tmpfs /tmp --user "$(id -u)" \
#     -v "$PWD/exports:/study:ro" -v "$PWD/out:/out" gliotype predict /study -o /out --age 44
# BASE is any image with glibc and Python 3.11 or later with venv; PIP_ARGS says what pip installs. Without a network:
#   pip wheel -w wheels .
#   docker build -t gliotype --build-arg BASE=... --build-arg PIP_ARGS="--no-index --find-links wheels gliotype" .
ARG BASE=docker.io/library/python:3.12-slim

FROM ${BASE} AS build
ARG PIP_ARGS=.
WORKDIR /build
COPY pyproject.toml README.md LICENSE NOTICE ./
# The pattern lets the folder of wheels be missing.
COPY NOTICE wheel[s] ./wheels/
COPY src ./src
COPY protocols ./protocols
RUN python3 -m venv /opt/gliotype && /opt/gliotype/bin/pip install --no-cache-dir ${PIP_ARGS}

FROM ${BASE}
COPY --from=build /opt/gliotype /opt/gliotype
ENV PATH=/opt/gliotype/bin:$PATH HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib
USER 1000:1000
WORKDIR /tmp
ENTRYPOINT ["gliotype"]
CMD ["--help"]
