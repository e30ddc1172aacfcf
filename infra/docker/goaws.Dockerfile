# An SQS server for one machine: infra/goaws.
FROM scratch
COPY goaws /goaws
ENV TMPDIR=/
ENTRYPOINT ["/goaws"]
