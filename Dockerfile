# Built in two stages: the compiler stays behind.
FROM node:24-bookworm-slim AS build
# By this `make down` finds what the build left.
LABEL quorate.stage=build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY src ./src
RUN npm run --silent build

FROM node:24-bookworm-slim
LABEL quorate.stage=run
ENV NODE_ENV=production
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && npm cache clean --force
COPY --from=build /app/dist ./dist
# Named volumes take over the owner of the folder that they cover.
RUN mkdir /data /secret && chown node:node /data /secret
USER node
ENV QUORATE_HOST=0.0.0.0 QUORATE_PORT=7400 QUORATE_DATA_DIR=/data QUORATE_URL=http://127.0.0.1:7400
EXPOSE 7400
VOLUME /data
CMD ["node", "dist/main.js", "start"]
