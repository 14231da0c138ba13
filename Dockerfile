# The image of `make image`, file for file, for those who have Docker: docker build -t saturnmq:0.1.0 .
FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install --no-install-recommends --yes ca-certificates make npm
WORKDIR /saturnmq
COPY . .
RUN make install && scripts/node image/src/main.ts --tree /root-of-image

FROM scratch
COPY --from=build /root-of-image /
COPY --from=build --chown=10001:10001 /root-of-image/var/lib/saturnmq /var/lib/saturnmq
ENV PATH=/usr/bin SATURNMQ_DATA_DIR=/var/lib/saturnmq
WORKDIR /var/lib/saturnmq
VOLUME /var/lib/saturnmq
EXPOSE 8081 8082 8083 8084 9090
USER 10001:10001
ENTRYPOINT ["saturnmq"]
CMD ["dev", "--host", "0.0.0.0"]
