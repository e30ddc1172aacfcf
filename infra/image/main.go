// Command image makes a container image of a built program, without a container engine: the
// archive that `docker load` and `podman load` read. There is no image below it: it holds
// the program, its licences, Mozilla's root certificates and some folders. The
// program, the licences and SOURCE_DATE_EPOCH alone decide every byte.
//
//	go run . -version v1.2.3 -arch amd64 -licences LICENCES.txt -o image.tar lestats
package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	user    = 65532 // as in infra/Dockerfile
	plugins = "/usr/local/share/lestats/plugins"
	results = "/var/lib/lestats"
)

func main() {
	version := flag.String("version", "", "version of the program")
	revision := flag.String("revision", "", "commit that it was built from, if known")
	arch := flag.String("arch", "", "amd64 or arm64")
	licences := flag.String("licences", "", "text file with the licences")
	out := flag.String("o", "", "archive to write")
	flag.Parse()
	if err := run(*version, *revision, *arch, *licences, *out, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(version, revision, arch, licences, out, program string) error {
	epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH must be the seconds since 1970 of the sources: %w", err)
	}
	made := time.Unix(epoch, 0).UTC()
	files, err := layer(made, program, licences)
	if err != nil {
		return err
	}
	content, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil })
	if err != nil {
		return err
	}
	image, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer:   content,
		History: v1.History{Created: v1.Time{Time: made}, CreatedBy: "infra/image"},
	})
	if err != nil {
		return err
	}
	described, err := image.ConfigFile()
	if err != nil {
		return err
	}
	described = described.DeepCopy()
	described.OS, described.Architecture, described.Created = "linux", arch, v1.Time{Time: made}
	described.Config = config(version, revision)
	if image, err = mutate.ConfigFile(image, described); err != nil {
		return err
	}
	tag, err := name.NewTag("lestats:" + strings.TrimPrefix(version, "v"))
	if err != nil {
		return err
	}
	return tarball.WriteToFile(out, tag, image)
}

// config is how the program runs: as the server of infra/Dockerfile does.
func config(version, revision string) v1.Config {
	labels := map[string]string{
		"org.opencontainers.image.title":    "Le Stats Sportifs",
		"org.opencontainers.image.version":  version,
		"org.opencontainers.image.licenses": "Apache-2.0",
	}
	if revision != "" {
		labels["org.opencontainers.image.revision"] = revision
	}
	return v1.Config{
		User:         fmt.Sprintf("%d:%[1]d", user),
		Env:          []string{"PATH=/usr/local/bin", "LESTATS_PLUGINS=" + plugins, "LESTATS_STORE=" + results, "PORT=8080"},
		Entrypoint:   []string{"/usr/local/bin/lestats"},
		Cmd:          []string{"serve"},
		Volumes:      map[string]struct{}{results: {}},
		ExposedPorts: map[string]struct{}{"8080/tcp": {}},
		Labels:       labels,
	}
}

// layer is a tar archive of the image's files. All belong to root. Everybody may write to
// the folders of results and of temporary files, because the image runs as any user.
func layer(made time.Time, program, licences string) ([]byte, error) {
	binary, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	texts, err := os.ReadFile(licences)
	if err != nil {
		return nil, err
	}
	roots := bytes.NewBufferString("# Root certificates of Mozilla's NSS (MPL-2.0), from golang.org/x/crypto/x509roots.\n")
	for root := range bundle.Roots() {
		if root.Constraint == nil { // a file of certificates cannot say under what conditions one is trusted
			_ = pem.Encode(roots, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a bytes.Buffer does not fail
		}
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range []struct {
		name    string
		mode    int64
		content []byte
	}{
		{"etc/", 0o755, nil},
		{"etc/ssl/", 0o755, nil},
		{"etc/ssl/certs/", 0o755, nil},
		{"etc/ssl/certs/ca-certificates.crt", 0o644, roots.Bytes()},
		{"tmp/", 0o1777, nil},
		{"usr/", 0o755, nil},
		{"usr/local/", 0o755, nil},
		{"usr/local/bin/", 0o755, nil},
		{"usr/local/bin/lestats", 0o755, binary},
		{"usr/local/share/", 0o755, nil},
		{"usr/local/share/lestats/", 0o755, nil},
		{"usr/local/share/lestats/LICENCES.txt", 0o644, texts},
		{plugins[1:] + "/", 0o755, nil},
		{"var/", 0o755, nil},
		{"var/lib/", 0o755, nil},
		{results[1:] + "/", 0o1777, nil},
	} {
		kind := byte(tar.TypeReg)
		if f.content == nil {
			kind = tar.TypeDir
		}
		head := &tar.Header{Typeflag: kind, Name: f.name, Mode: f.mode, Size: int64(len(f.content)), ModTime: made, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(head); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
