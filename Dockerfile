# One static binary in an empty image: no shell, no packages, no root.
#
#   docker build -t doorward .
#
# Build arguments: RUST_IMAGE, an image with Rust 1.95 on musl (static by default); BASE, what the last stage stands on
# (`scratch`, or a distroless static image); SOURCE, `build` or, for a binary made elsewhere, `given`: the folder `image/` of
# the context then holds `doorward`, `ca-certificates.crt` and an empty folder `state`.
ARG RUST_IMAGE=rust:1.95-alpine
ARG BASE=scratch
ARG SOURCE=build

FROM ${RUST_IMAGE} AS build
# The image's own versions: a pinned one disappears from the mirror with the next release.
# hadolint ignore=DL3018
RUN apk add --no-cache build-base ca-certificates perl linux-headers
WORKDIR /source
COPY . .
RUN cargo build --release --locked \
 && mkdir -p /image/state \
 && cp target/release/doorward /etc/ssl/certs/ca-certificates.crt /image/

FROM scratch AS given
COPY image /image

# hadolint ignore=DL3006
FROM ${SOURCE} AS binary

# hadolint ignore=DL3006
FROM ${BASE} AS final
COPY --from=binary /image/doorward /doorward
COPY --from=binary /image/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# The only place it writes to: mount a volume here.
COPY --from=binary --chown=65532:65532 /image/state /var/lib/doorward
USER 65532:65532
ENV DOORWARD_CONFIG=/etc/doorward/doorward.yaml
EXPOSE 8443 9901
# Asks `operations.address` of the configuration.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/doorward", "health", "--quiet"]
ENTRYPOINT ["/doorward"]
CMD ["serve"]
