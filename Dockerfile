# One static program on an empty base: `harness`, and Toxiproxy's server and client under their own names.
#
#   docker build -t harness .
#   docker run --rm -p 8474:8474 -p 8666-8697:8666-8697 harness       # as Toxiproxy's image
#   docker run --rm harness -scenario packet-loss -duration 1m        # as harness
#
# Any image with Rust 1.88 or newer builds it, such as rust:1-alpine (musl instead of glibc).
ARG RUST_IMAGE=rust:1-bookworm

FROM ${RUST_IMAGE} AS build
WORKDIR /src
COPY . .
# Static means names, too: glibc (2.34 and later) and musl read /etc/hosts and ask DNS without a library.
# The target is named so that macros and build scripts, which run here, are not linked so.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    target="$(rustc --print host-tuple)" \
    && RUSTFLAGS="-C target-feature=+crt-static" \
       cargo build --release --locked --bin harness --target "$target" \
    && mkdir -p /image/etc /image/tmp /image/work/runs \
    && cp "target/$target/release/harness" /image/harness \
    && ln -s harness /image/toxiproxy \
    && ln -s harness /image/toxiproxy-cli \
    && echo "hosts: files dns" > /image/etc/nsswitch.conf \
    && chmod 1777 /image/tmp /image/work /image/work/runs

FROM scratch
COPY --from=build /image/ /
# Nobody in particular; whoever else it is run as may write the results, too.
USER 65532:65532
WORKDIR /work
ENV LOG_LEVEL=info
EXPOSE 8474
HEALTHCHECK --interval=5s --timeout=3s --start-period=2s \
    CMD ["/harness", "proxy", "-healthcheck"]
# The server of Toxiproxy's contract; with words that are not the server's it is `harness`.
ENTRYPOINT ["/toxiproxy"]
CMD ["-host=0.0.0.0"]
