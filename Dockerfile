# One static file in an empty image, and the licenses of what it is linked from, for linux/amd64, linux/arm64, linux/arm/v7 and linux/riscv64. Needs BuildKit:
#
#   docker buildx build --platform linux/amd64,linux/arm64,linux/arm/v7,linux/riscv64 --tag REGISTRY/plz-agent:0.1.0 --push .
#
# The compiler runs on the builder's own platform and compiles for the target's, so that nothing is emulated.

FROM --platform=$BUILDPLATFORM rust:1.95-slim-bookworm AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ARG TARGETARCH
ARG TARGETVARIANT

# What differs from one target to the next stands here alone: Rust's name of it, and Debian's names. Rust brings musl
# along; the C compiler is there for the C and assembly of ring, and links. On its own platform it is installed already.
# hadolint ignore=DL3008
RUN <<'SETUP'
case "$TARGETARCH/$TARGETVARIANT" in
  amd64/*)   target=x86_64-unknown-linux-musl      gnu=x86_64-linux-gnu    package=x86-64-linux-gnu    debian=amd64 ;;
  arm64/*)   target=aarch64-unknown-linux-musl     gnu=aarch64-linux-gnu   package=aarch64-linux-gnu   debian=arm64 ;;
  arm/v7)    target=armv7-unknown-linux-musleabihf gnu=arm-linux-gnueabihf package=arm-linux-gnueabihf debian=armhf ;;
  riscv64/*) target=riscv64gc-unknown-linux-musl   gnu=riscv64-linux-gnu   package=riscv64-linux-gnu   debian=riscv64 ;;
  *) echo "linux/$TARGETARCH/$TARGETVARIANT is not built: amd64, arm64, arm/v7 and riscv64 are" >&2; exit 1 ;;
esac
if ! command -v "$gnu-gcc"; then
  apt-get update
  apt-get install --yes --no-install-recommends "gcc-$package" "libc6-dev-$debian-cross"
  rm -rf /var/lib/apt/lists/*
fi
rustup target add "$target"
upper=$(echo "$target" | tr 'a-z-' 'A-Z_')
lower=$(echo "$target" | tr '-' '_')
# Static is what most of Rust's musl targets are by themselves, but riscv64's is not.
cat >/target.env <<ENV
export CARGO_BUILD_TARGET=$target
export CARGO_TARGET_${upper}_LINKER=$gnu-gcc
export CARGO_TARGET_${upper}_RUSTFLAGS="-C target-feature=+crt-static"
export CC_${lower}=$gnu-gcc
ENV
SETUP

WORKDIR /src
COPY . .
# The target directory is a cache per target, hence the copy out of it. Builds of several targets at once share the downloads.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,id=plz-agent-$TARGETARCH$TARGETVARIANT <<'BUILD'
. /target.env
cargo build --locked --release --package plz-agent --bin plz-agent
install -m 0755 "target/$CARGO_BUILD_TARGET/release/plz-agent" /plz-agent
BUILD

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="plz-agent" \
      org.opencontainers.image.description="Runs Grafana Cloud k6 tests on private Kubernetes clusters" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"
COPY manifests/image/LICENSES /LICENSES
COPY --from=build /plz-agent /plz-agent
# A number, not a name: there is no /etc/passwd, and runAsNonRoot asks for a number.
USER 65532:65532
ENTRYPOINT ["/plz-agent"]
