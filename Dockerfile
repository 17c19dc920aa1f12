# One static file in an empty image, for linux/amd64, linux/arm64 and linux/arm/v7. Needs BuildKit:
#
#   docker buildx build --platform linux/amd64,linux/arm64,linux/arm/v7 --tag REGISTRY/plz-agent:0.1.0 --push .
#
# The compiler runs on the builder's own platform and compiles for the target's, so that nothing is emulated.

FROM --platform=$BUILDPLATFORM rust:1.95-slim-bookworm AS build
ARG TARGETARCH
ARG TARGETVARIANT

# What differs from one target to the next stands here alone: Rust's name of it, and Debian's names. Rust brings musl
# along; the C compiler is there for the C and assembly of ring, and links. On its own platform it is installed already.
RUN <<'SETUP'
set -eu
case "$TARGETARCH/$TARGETVARIANT" in
  amd64/*)  target=x86_64-unknown-linux-musl      gnu=x86_64-linux-gnu    package=x86-64-linux-gnu    debian=amd64 ;;
  arm64/*)  target=aarch64-unknown-linux-musl     gnu=aarch64-linux-gnu   package=aarch64-linux-gnu   debian=arm64 ;;
  arm/v7)   target=armv7-unknown-linux-musleabihf gnu=arm-linux-gnueabihf package=arm-linux-gnueabihf debian=armhf ;;
  *) echo "linux/$TARGETARCH/$TARGETVARIANT is not built: amd64, arm64 and arm/v7 are" >&2; exit 1 ;;
esac
if ! command -v "$gnu-gcc"; then
  apt-get update
  apt-get install --yes --no-install-recommends "gcc-$package" "libc6-dev-$debian-cross"
  rm -rf /var/lib/apt/lists/*
fi
rustup target add "$target"
upper=$(echo "$target" | tr 'a-z-' 'A-Z_')
lower=$(echo "$target" | tr '-' '_')
cat >/target.env <<ENV
export CARGO_BUILD_TARGET=$target
export CARGO_TARGET_${upper}_LINKER=$gnu-gcc
export CC_${lower}=$gnu-gcc
ENV
SETUP

WORKDIR /src
COPY . .
# The target directory is a cache per target, hence the copy out of it.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,id=plz-agent-$TARGETARCH$TARGETVARIANT \
    . /target.env \
    && cargo build --locked --release --package plz-agent --bin plz-agent \
    && install -m 0755 "target/$CARGO_BUILD_TARGET/release/plz-agent" /plz-agent

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="plz-agent" \
      org.opencontainers.image.description="Runs Grafana Cloud k6 tests on private Kubernetes clusters" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /plz-agent /plz-agent
# A number, not a name: there is no /etc/passwd, and runAsNonRoot asks for a number.
USER 65532:65532
ENTRYPOINT ["/plz-agent"]
