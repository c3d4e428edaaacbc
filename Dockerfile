# The reir service and command line, without a GPU, as a user without rights.
#
#   docker build -t reir .
#   docker run --rm -v ~/Pictures:/photos:ro -v reir-index:/index reir index /photos
#   docker run -p 127.0.0.1:8080:8080 -v ~/Pictures:/photos:ro -v reir-index:/index -v ./api-keys:/run/secrets/api_keys:ro reir
#
# docs/serving.md tells more; compose.yaml has the same with PostgreSQL.

FROM python:3.11-slim-bookworm AS build

# PyTorch's own package index has builds for the CPU alone. Its address, given here, spares several gigabytes of CUDA.
ARG TORCH_INDEX=
ENV UV_LINK_MODE=copy VIRTUAL_ENV=/opt/reir

WORKDIR /source
RUN pip install --no-cache-dir "uv>=0.9,<1" && uv venv /opt/reir

# Dependencies first: they change less often than the code. faiss-gpu brings CUDA too; faiss-cpu is the same module.
COPY pyproject.toml ./
RUN uv pip install --no-cache ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "torch>=2.11,<3" "torchvision>=0.26,<1"
RUN printf '%s\n' "faiss-gpu; sys_platform == 'never'" "faiss-cpu>=1.12,<2" > overrides.txt \
    && uv pip install --no-cache --compile-bytecode --override overrides.txt --extra postgres -r pyproject.toml

COPY README.md LICENSE NOTICE ./
COPY reir reir
COPY indexer indexer
COPY server server
COPY migrations migrations
RUN uv build --wheel --out-dir /wheels \
    && uv pip install --no-cache --no-deps --compile-bytecode /wheels/reir-*.whl


FROM python:3.11-slim-bookworm

RUN groupadd --gid 10001 reir \
    && useradd --uid 10001 --gid reir --create-home --shell /usr/sbin/nologin reir \
    && install --directory --owner reir --group reir /index /photos
COPY --from=build /opt/reir /opt/reir

# ONNX Runtime would otherwise be ready to report its use to its makers.
ENV PATH=/opt/reir/bin:$PATH PYTHONUNBUFFERED=1 REIR_DB=/index ORT_DISABLE_TELEMETRY=1
USER 10001:10001
WORKDIR /home/reir
VOLUME /index
EXPOSE 8080

HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]

# Reachable from outside the container, so the service asks for API keys and does not start without the file.
ENTRYPOINT ["reir"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080", "--api-key-file", "/run/secrets/api_keys"]
