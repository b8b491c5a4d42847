# One static binary in an empty image: no shell, no packages, no root; its bill of materials beside it.
#
#   docker build -t doorward .
#
# Build arguments: RUST_IMAGE, an image with Rust 1.95 on musl (static by default); BASE, what the last stage stands on
# (`scratch`, or a distroless static image); SOURCE, `build` or, for a binary made elsewhere, `given`: the folder `image/` of
# the context then holds `doorward`, `doorward.cdx.json`, `ca-certificates.crt` and an empty folder `state`. `.ci/image` does that, and
# makes the same image of the same files always; with BuildKit, SOURCE_DATE_EPOCH and `rewrite-timestamp=true` do.
ARG RUST_IMAGE=rust:1.95-alpine
ARG BASE=scratch
ARG SOURCE=build

FROM ${RUST_IMAGE} AS build
# The image's own versions: a pinned one disappears from the mirror with the next release.
# hadolint ignore=DL3018
RUN apk add --no-cache build-base ca-certificates perl linux-headers \
 && cargo install --locked cargo-cyclonedx@0.5.9
WORKDIR /source
COPY . .
# Parts of SQLite that nothing here uses: 350 kB less, and less to go wrong.
ENV LIBSQLITE3_FLAGS="-USQLITE_ENABLE_FTS3 -USQLITE_ENABLE_FTS3_PARENTHESIS -USQLITE_ENABLE_FTS5 -USQLITE_ENABLE_RTREE"
# C code that is never unwound through: 240 kB of tables less.
ENV CFLAGS="-fno-asynchronous-unwind-tables"
# Relocations are packed: 1.4 MB of addresses that the loader fills in take 15 kB.
RUN cargo rustc --release --locked --bin doorward -- -C link-arg=-Wl,-z,pack-relative-relocs \
 && mkdir -p /image/state \
 && .ci/sbom /image/doorward.cdx.json \
 && cp target/release/doorward /etc/ssl/certs/ca-certificates.crt /image/

FROM scratch AS given
COPY image /image

# hadolint ignore=DL3006
FROM ${SOURCE} AS binary

# hadolint ignore=DL3006
FROM ${BASE} AS final
LABEL org.opencontainers.image.title="Doorward" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=binary /image/doorward /doorward
COPY --from=binary /image/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# CycloneDX, by a name that scanners of images look for.
COPY --from=binary /image/doorward.cdx.json /usr/share/doc/doorward/doorward.cdx.json
# The only place it writes to: mount a volume here.
COPY --from=binary --chown=65532:65532 /image/state /var/lib/doorward
USER 65532:65532
ENV DOORWARD_CONFIG=/etc/doorward/doorward.yaml
EXPOSE 8443 9901
# Asks `operations.address` of the configuration.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/doorward", "health", "--quiet"]
ENTRYPOINT ["/doorward"]
CMD ["serve"]
