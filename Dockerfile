# syntax=docker/dockerfile:1
# One process: the API, the engine, the executors, and an embedded PostgreSQL where DATABASE_URL names no other.
#   docker build -t riposte . && docker run -p 4000:4000 -v riposte:/var/lib/riposte riposte

FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# Brings the Node that runs the product and PostgreSQL as well; this image's Node only runs npm.
RUN npm ci --omit=dev --no-audit --no-fund

FROM debian:bookworm-slim
# libatomic1 and libstdc++6: Node. bubblewrap: isolates scripts, where the container may make user namespaces (docs/isolation.md).
# tini: reaps what killed scripts leave behind. python3 and curl: scripts of actions; add what yours need.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends bubblewrap ca-certificates curl libatomic1 libstdc++6 python3-minimal tini \
  && rm -rf /var/lib/apt/lists/* \
  && groupadd --gid 10001 riposte \
  && useradd --uid 10001 --gid riposte --no-create-home --home-dir /var/lib/riposte riposte \
  && install --directory --owner=riposte --group=riposte --mode=0700 /var/lib/riposte
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY migrations ./migrations
COPY src ./src
ENV PATH=/app/node_modules/.bin:$PATH NODE_ENV=production HOST=0.0.0.0 PORT=4000 DATA_DIR=/var/lib/riposte
USER riposte
VOLUME /var/lib/riposte
EXPOSE 4000
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# SIGTERM drains: what is under way gets up to 10 s. Give the container more than that to stop.
ENTRYPOINT ["tini", "--"]
CMD ["node", "--min-semi-space-size=64", "--max-semi-space-size=64", "src/main.ts"]
