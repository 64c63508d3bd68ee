# Gliotype without a network at run time:
#   docker build -t gliotype .
#   docker run --rm --network none -v "$PWD/exports:/study:ro" -v "$PWD/out:/out" gliotype predict /study -o /out --age 44
FROM python:3.12-slim AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src ./src
COPY protocols ./protocols
RUN python -m venv /opt/gliotype && /opt/gliotype/bin/pip install --no-cache-dir .

FROM python:3.12-slim
COPY --from=build /opt/gliotype /opt/gliotype
ENV PATH=/opt/gliotype/bin:$PATH MPLCONFIGDIR=/tmp/matplotlib
RUN useradd --create-home --uid 1000 gliotype
USER 1000
WORKDIR /home/gliotype
ENTRYPOINT ["gliotype"]
CMD ["--help"]
