# MinIO has no images of its own any more: the binary that `make .tools/minio` built.
FROM scratch
COPY minio /minio
ENTRYPOINT ["/minio"]
CMD ["server", "/data"]
