# The processor only; nothing is downloaded when it runs, and it does not run as root.
#
#   docker build --build-arg TORCH_INDEX=URL -t medfuse .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" medfuse fuse ct.nii.gz mr.nii.gz -o result
#
# URL is the index of CPU builds that https://pytorch.org/get-started/locally/ names for pip and "CPU". Without it pip would take a
# build for CUDA, which is ten times as large.
FROM python:3.12-slim

ARG TORCH_INDEX
COPY . /src
RUN test -n "$TORCH_INDEX" || { echo "say --build-arg TORCH_INDEX=URL: see the top of the Dockerfile" >&2; exit 2; }
RUN python -m pip install --no-cache-dir --index-url "$TORCH_INDEX" torch==2.13.0 torchvision==0.28.0 \
 && python -m pip install --no-cache-dir --constraint /src/constraints.txt /src \
 && useradd --create-home medfuse
USER medfuse
# Caches of matplotlib and of weights, also for a user without a home.
ENV MPLCONFIGDIR=/tmp/matplotlib XDG_CACHE_HOME=/tmp/cache
WORKDIR /data
ENTRYPOINT ["medfuse"]
CMD ["--help"]
