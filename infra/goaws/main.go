// Command goaws is the SQS server for tests and for infra/compose.yaml: goaws, which
// keeps messages in memory, with a queue and its dead-letter queue. It listens on one
// address; goaws's own program listens on all of them.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/Admiral-Piett/goaws/app/conf"
	"github.com/Admiral-Piett/goaws/app/gosqs"
	"github.com/Admiral-Piett/goaws/app/router"
	log "github.com/sirupsen/logrus"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "goaws:", err)
		os.Exit(1)
	}
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:9324", "address")
	receives := flag.Int("receives", 10, "deliveries after which a message moves to the dead-letter queue")
	flag.Parse()
	log.SetOutput(io.Discard)

	// goaws reads its queues only from a file.
	file, err := os.CreateTemp("", "goaws-*.yaml")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, `Local:
  Host: localhost
  Port: 1
  Region: us-east-1
  AccountId: "000000000000"
  Queues:
    - Name: jobs
      VisibilityTimeout: 60
      RedrivePolicy: '{"maxReceiveCount": %d, "deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:jobs-dead"}'
    - Name: jobs-dead
`, *receives)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	conf.LoadYamlConfig(file.Name(), "Local")
	if err := os.Remove(file.Name()); err != nil {
		return err
	}
	go gosqs.PeriodicTasks(time.Second, make(chan bool)) // until the end

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	fmt.Printf("http://%s/000000000000/jobs\n", listener.Addr())
	return (&http.Server{Handler: router.New(), ReadHeaderTimeout: 5 * time.Second}).Serve(listener)
}
