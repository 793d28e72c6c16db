# syntax=docker/dockerfile:1
# Two images from one build:
#   docker build --target gatehouse -t gatehouse .        the binary alone
#   docker build --target edge -t gatehouse-edge .        the same binary beside an Envoy
# Both run as one user, so that they may share a volume with Unix sockets. Only their owner can open those.

ARG GO_VERSION=1.26
# The version in envoy/VERSION; a test holds the two together.
ARG ENVOY_VERSION=1.40.0

FROM golang:${GO_VERSION}-bookworm AS build
ARG VERSION=unknown
ENV GOCACHE=/cache/build GOMODCACHE=/cache/modules
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/cache/modules go mod download
COPY . .
RUN --mount=type=cache,target=/cache/modules --mount=type=cache,target=/cache/build \
    CGO_ENABLED=0 go build -trimpath \
      -ldflags "-s -w -X github.com/gatehouse/gatehouse/internal/version.version=${VERSION}" \
      -o /out/usr/local/bin/gatehouse ./cmd/gatehouse \
 && mkdir -p /out/etc/ssl/certs /out/etc/gatehouse \
 && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ \
 && echo "gatehouse:x:65532:65532::/run/gatehouse:/sbin/nologin" > /out/etc/passwd \
 && echo "gatehouse:x:65532:" > /out/etc/group \
 && install -d -m 0700 -o 65532 -g 65532 /owned/run/gatehouse /owned/var/lib/gatehouse \
 && install -d -m 1777 /owned/tmp

FROM scratch AS gatehouse
COPY --from=build /out/ /
COPY --from=build --chown=65532:65532 /owned/ /
ENV PATH=/usr/local/bin
USER 65532:65532
ENTRYPOINT ["gatehouse"]
CMD ["serve"]

FROM envoyproxy/envoy:v${ENVOY_VERSION} AS edge
COPY --from=build /out/usr/local/bin/gatehouse /usr/local/bin/gatehouse
COPY --from=build --chown=65532:65532 /owned/run/gatehouse /run/gatehouse
USER 65532:65532
ENTRYPOINT []
# GATEHOUSE_FLEET, GATEHOUSE_NODE, GATEHOUSE_DIR and the addresses of Gatehouse come from the environment.
CMD ["sh", "-c", "gatehouse bootstrap && exec envoy -c \"$GATEHOUSE_DIR/bootstrap.yaml\" --disable-hot-restart"]
