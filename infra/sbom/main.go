// Command sbom writes what a release says about a built program: a bill of materials (SPDX
// 2.3, JSON) with the modules that the linker recorded in it, and a text file with the
// licences of all of them. Both depend on the program, its sources and SOURCE_DATE_EPOCH
// alone. A module without a licence that is known is an error.
//
//	go run . -version v1.2.3 -sbom lestats.spdx.json -licences LICENCES.txt lestats
package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/licensecheck"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
	"github.com/spdx/tools-golang/spdxlib"
)

func main() {
	version := flag.String("version", "", "version of the program")
	root := flag.String("root", ".", "the program's module, for its licence and go.sum")
	sbom := flag.String("sbom", "", "SPDX file to write")
	licences := flag.String("licences", "", "text file to write")
	flag.Parse()
	if err := run(*version, *root, flag.Arg(0), *sbom, *licences); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

// module is one thing that is linked into the program.
type module struct {
	path, version string
	licence       string // SPDX expression
	texts         []text
}

type text struct{ name, content string }

func run(version, root, program, sbom, licences string) error {
	epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH must be the seconds since 1970 of the sources: %w", err)
	}
	all, err := modules(version, root, program)
	if err != nil {
		return err
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	doc := document(all, fmt.Sprintf("%x", sha256.Sum256(binary)), time.Unix(epoch, 0))
	if err := spdxlib.ValidateDocument(doc); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := spdxjson.Write(doc, &b, spdxjson.Indent(" ")); err != nil {
		return err
	}
	if err := os.WriteFile(sbom, b.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(licences, notices(all), 0o644)
}

// modules returns the program's own module, the standard library, and then the modules that
// are linked into it.
func modules(version, root, program string) ([]module, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, err
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	all := []module{{path: info.Main.Path, version: version}, {path: "std", version: strings.TrimPrefix(info.GoVersion, "go")}}
	folders := map[string]string{info.Main.Path: root, "std": strings.TrimSpace(string(goroot))}
	args := []string{"mod", "download", "-json"}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		all = append(all, module{path: m.Path, version: m.Version})
		args = append(args, m.Path+"@"+m.Version)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go mod download: %w", err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var m struct{ Path, Dir string }
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go mod download: %w", err)
		}
		folders[m.Path] = m.Dir
	}
	for i := range all {
		if err := all[i].read(folders[all[i].path]); err != nil {
			return nil, fmt.Errorf("%s: %w", all[i].path, err)
		}
	}
	return all, nil
}

// named matches the names of files that have to go with a program.
var named = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice)([-.].*)?$`)

// read finds a module's licences in its folder.
func (m *module) read(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var ids []string
	for _, e := range entries {
		if !e.Type().IsRegular() || !named.MatchString(e.Name()) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return err
		}
		m.texts = append(m.texts, text{e.Name(), string(b)})
		for _, match := range licensecheck.Scan(b).Match {
			if !match.IsURL && !slices.Contains(ids, match.ID) {
				ids = append(ids, match.ID)
			}
		}
	}
	if len(ids) == 0 {
		return errors.New("no licence is known: it may not be released")
	}
	slices.Sort(ids)
	m.licence = strings.Join(ids, " AND ")
	return nil
}

// document returns the bill of materials. The first module is the program.
func document(all []module, digest string, created time.Time) *spdx.Document {
	name := all[0].path[strings.LastIndexByte(all[0].path, '/')+1:]
	doc := &spdx.Document{
		SPDXVersion:       spdx.Version,
		DataLicense:       spdx.DataLicense,
		SPDXIdentifier:    "DOCUMENT",
		DocumentName:      name + " " + all[0].version,
		DocumentNamespace: "https://" + all[0].path + "/spdx/" + digest,
		CreationInfo: &spdx.CreationInfo{
			Created:  created.UTC().Format(time.RFC3339),
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "lestats-infra-sbom"}},
		},
	}
	for i, m := range all {
		p := &spdx.Package{
			PackageName:             m.path,
			PackageSPDXIdentifier:   common.ElementID("Package-" + strconv.Itoa(i)),
			PackageVersion:          m.version,
			PackageDownloadLocation: "NOASSERTION",
			PackageLicenseConcluded: m.licence,
			PackageLicenseDeclared:  m.licence,
			PackageCopyrightText:    "NOASSERTION",
			PackageExternalReferences: []*spdx.PackageExternalReference{{
				Category: common.CategoryPackageManager,
				RefType:  common.TypePackageManagerPURL,
				Locator:  "pkg:golang/" + m.path + "@" + url.QueryEscape(m.version),
			}},
		}
		relation := &spdx.Relationship{
			RefA:         common.MakeDocElementID("", "Package-0"),
			RefB:         common.MakeDocElementID("", string(p.PackageSPDXIdentifier)),
			Relationship: common.TypeRelationshipDependsOn,
		}
		if i == 0 {
			p.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: digest}}
			p.PrimaryPackagePurpose = "APPLICATION"
			relation.RefA, relation.Relationship = common.MakeDocElementID("", "DOCUMENT"), common.TypeRelationshipDescribe
		}
		doc.Packages, doc.Relationships = append(doc.Packages, p), append(doc.Relationships, relation)
	}
	return doc
}

// notices returns the licences' texts, which their authors ask to hand on with a program.
func notices(all []module) []byte {
	var b bytes.Buffer
	b.WriteString("This program is linked with the following modules, under their licences.\n")
	for _, m := range all[1:] {
		fmt.Fprintf(&b, "\n%s\n%s %s (%s)\n", strings.Repeat("=", 80), m.path, m.version, m.licence)
		for _, t := range m.texts {
			fmt.Fprintf(&b, "\n--- %s\n\n%s\n", t.name, strings.TrimSpace(t.content))
		}
	}
	return b.Bytes()
}
