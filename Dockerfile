# Viewloom in a container; `docker compose up --build` starts app and worker of it (compose.yaml, docs/operator.md).
# DEVICE: cpu, or cuda for a host with NVIDIA's container toolkit (the wheels bring CUDA, the host its driver).
FROM python:3.12-slim-bookworm AS build
ARG DEVICE=cpu
# where PyTorch's "Get started" page says that wheels without CUDA are
ARG CPU_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/viewloom
ENV PATH=/opt/viewloom/bin:$PATH
WORKDIR /source
# what the project needs is a layer of its own, which stays while the project changes
COPY requirements.txt ./
RUN if [ "$DEVICE" = cpu ]; then pip install --index-url "$CPU_INDEX" "torch>=2.9" "torchvision>=0.24"; fi \
    && pip install -r requirements.txt
COPY . .
RUN pip install --no-deps .

FROM python:3.12-slim-bookworm
RUN groupadd --gid 10001 viewloom \
    && useradd --uid 10001 --gid 10001 --create-home viewloom \
    && install -d -o viewloom -g viewloom /stores/data /stores/models
COPY --from=build /opt/viewloom /opt/viewloom
ENV PATH=/opt/viewloom/bin:$PATH \
    SSRL_DATA=/stores/data \
    SSRL_MODELS=/stores/models \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /home/viewloom
VOLUME ["/stores/data", "/stores/models"]
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
CMD ["viewloom", "--no-browser", "--no-worker"]
