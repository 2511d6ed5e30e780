# geocloud for CPUs, with its default model, as a user without rights:
#     docker build -t geocloud . && docker run --rm -v "$PWD:/data" geocloud detect scene.tif
FROM python:3.12-slim AS build
COPY . /source
# PyTorch's CPU build first: the default one for Linux brings gigabytes of CUDA. Then out with what only builds or tests.
RUN python -m venv /opt/geocloud \
    && /opt/geocloud/bin/pip install --no-cache-dir torch --index-url https://download.pytorch.org/whl/cpu \
    && /opt/geocloud/bin/pip install --no-cache-dir '/source[stac]' \
    && cd /opt/geocloud/lib/python3.12/site-packages \
    && rm -rf torch/test torch/include pip pip-* setuptools setuptools-* \
    && find torch/bin -type f ! -name torch_shm_manager -delete \
    && find . -type d -name tests -prune -exec rm -rf {} +

FROM python:3.12-slim
COPY --from=build /opt/geocloud /opt/geocloud
RUN useradd --uid 1000 --create-home geocloud
ENV PATH=/opt/geocloud/bin:$PATH
USER geocloud
WORKDIR /data
ENTRYPOINT ["geocloud"]
CMD ["--help"]
