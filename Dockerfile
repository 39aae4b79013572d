# syntax=docker/dockerfile:1
# Not tried in a container engine: none was at hand where this was written. Tried outside of one: the build command, the
# health check against a running coordinator, and a start with an empty configuration file and the environment alone.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin mosaic-coordinator \
    && strip --strip-debug target/release/mosaic-coordinator

FROM debian:bookworm-slim
# git does the work on repositories; tini reaps what agents leave to process 1.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates git tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 mosaic \
    && install -d -o mosaic -g mosaic /var/lib/mosaic \
    && install -d /etc/mosaic \
    && touch /etc/mosaic/config.toml
COPY --from=build /src/target/release/mosaic-coordinator /usr/local/bin/
USER mosaic
# The defaults put journal and workspaces under data/ here.
WORKDIR /var/lib/mosaic
VOLUME /var/lib/mosaic
EXPOSE 8000
# Change the port by PORT, not in the file: this reads it too. Alive, not ready: a forge that is down is no reason to be restarted. There is no curl in this image; bash is.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${PORT:-8000} && printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q '\"status\":\"ok\"' <&3"]
# Drains on SIGTERM, within 35 s: stop with `docker stop --time 40`.
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--", "mosaic-coordinator"]
CMD ["serve", "--config", "/etc/mosaic/config.toml"]
