package tabular

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// zipped is a ZIP archive of files with these names, the first with its own content.
func zipped(t *testing.T, first string, names ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i, name := range names {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if _, err := f.Write([]byte(first)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// packed is a small table, compressed by w.
func packed(t *testing.T, b *bytes.Buffer, w interface {
	Write(p []byte) (int, error)
	Close() error
}) string {
	t.Helper()
	if _, err := w.Write([]byte("club,points\nA,1\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// foreignFiles are the beginnings of files, by what the message calls them.
func foreignFiles(t *testing.T) map[string][]string {
	t.Helper()
	var gz, zs, l4, archive bytes.Buffer
	zw, err := zstd.NewWriter(&zs)
	if err != nil {
		t.Fatal(err)
	}
	tw := tar.NewWriter(&archive)
	if err := tw.WriteHeader(&tar.Header{Name: "club.csv", Size: 16, Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	ole := "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + strings.Repeat("\x00", 16)
	return map[string][]string{
		"a gzip file":                    {packed(t, &gz, gzip.NewWriter(&gz))},
		"an xz file":                     {"\xfd7zXZ\x00\x00\x04\xe6\xd6"},
		"a bzip2 file":                   {"BZh91AY&SY\x01\x02", "BZh9\x17\x72\x45\x38\x50\x90\x00\x00\x00\x00"},
		"a Zstandard file":               {packed(t, &zs, zw)},
		"an LZ4 file":                    {packed(t, &l4, lz4.NewWriter(&l4))},
		"an lzip file":                   {"LZIP\x01\x0c"},
		"a file of compress":             {"\x1f\x9d\x90a"},
		"a 7-Zip archive":                {"7z\xbc\xaf\x27\x1c\x00\x04"},
		"a RAR archive":                  {"Rar!\x1a\x07\x01\x00"},
		"a tar archive":                  {packed(t, &archive, tw)},
		"an OpenDocument workbook (.ods": {zipped(t, "application/vnd.oasis.opendocument.spreadsheet", "mimetype", "content.xml")},
		"a Word document (.docx":         {zipped(t, "", "[Content_Types].xml", "word/document.xml")},
		"an Excel workbook (.xlsx":       {zipped(t, "", "[Content_Types].xml", "xl/workbook.xml"), zipped(t, "", "xl/workbook.xml"), zipped(t, "", "[Content_Types].xml")},
		"a NumPy archive (.npz":          {zipped(t, "", "x.npy")},
		"a ZIP archive":                  {zipped(t, "a,b\n", "club.csv")},
		"an empty ZIP archive":           {zipped(t, "")},
		"an Excel workbook (.xls":        {ole},
		"an SQLite database":             {"SQLite format 3\x00\x10\x00"},
		"a DuckDB database":              {"\x01\x02\x03\x04\x05\x06\x07\x08DUCK\x40\x00"},
		"an Access database":             {"\x00\x01\x00\x00Standard Jet DB\x00", "\x00\x01\x00\x00Standard ACE DB\x00"},
		"an ORC file":                    {"ORC\x0a\x03\x00\x00"},
		"an Avro file":                   {"Obj\x01\x04\x14"},
		"a Feather file of version 1":    {"FEA1\x00\x00\x00\x00"},
		"an encrypted Parquet file":      {"PARE\x15\x04"},
		"an HDF5 or NetCDF-4 file":       {"\x89HDF\r\n\x1a\n\x00"},
		"a NetCDF file":                  {"CDF\x01\x00\x00", "CDF\x02\x00", "CDF\x05\x00"},
		"a Stata file":                   {"<stata_dta><header><release>118</release>", "\x72\x02\x01\x00\x03\x00", "\x73\x01\x01\x00\x00\x03"},
		"a SAS file (.sas7bdat":          {strings.Repeat("\x00", 12) + "\xc2\xea\x81\x60\xb3\x14"},
		"a SAS transport file (.xpt":     {"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!"},
		"an SPSS file":                   {"$FL2@(#) SPSS DATA FILE\x02\x00", "$FL3@(#) SPSS\x02\x00"},
		"a file of R (.RData":            {"RDX3\nX\n\x00\x00\x00\x03"},
		"a file of R (.rds":              {"X\n\x00\x00\x00\x03"},
		"a MATLAB file":                  {"MATLAB 5.0 MAT-file, Platform: GLNXA64"},
		"a NumPy file (.npy":             {"\x93NUMPY\x01\x00v\x00{'descr': '<f8'"},
		"a Python pickle":                {"\x80\x02}q\x00", "\x80\x03cpandas", "\x80\x04\x95\x10", "\x80\x05\x95\x10"},
		"a dBASE table (.dbf":            {"\x03\x7a\x02\x1d\x05\x00\x00\x00"},
		"a Snappy file":                  {"\xff\x06\x00\x00sNaPpY\x01"},
		"a picture (PNG":                 {"\x89PNG\r\n\x1a\n\x00"},
		"a picture (JPEG":                {"\xff\xd8\xff\xe0\x00\x10JFIF"},
		"an RTF document":                {"{\\rtf1\\ansi"},
		"a shapefile":                    {"\x00\x00\x27\x0a\x00\x00"},
		"a PDF":                          {"%PDF-1.7\n"},
		"text in UTF-32":                 {"\xff\xfe\x00\x00a\x00\x00\x00", "\x00\x00\xfe\xff\x00\x00\x00a"},
		"a pointer of Git LFS":           {"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"},
		"a web page (HTML": {
			"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "\ufeff\r\n <HTML>\n", "<html lang=en>", "<head><title>", "<!-- page -->\n<html>", "<Script>x</Script>", "<BODY>", "<table border=1>", "<?xml version=\"1.0\"?>\n<html xmlns=\"x\">",
		},
		"XML":  {"<?xml version=\"1.0\"?>\n<rows><row/></rows>"},
		"JSON": {`{"a":1}` + "\n" + `{"a":2}`, "[\n  {\n", "[[1,2]]", `["a","b"]`, "\ufeff{ \"rows\": [] }"},
	}
}

// Every format of the table is named, with what to do.
func TestForeignFiles(t *testing.T) {
	files := foreignFiles(t)
	path := filepath.Join(t.TempDir(), "x.csv")
	open := func(content string) error {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		_, err = OpenFile(t.Context(), f, Options{})
		return err
	}
	used := make([]bool, len(foreignFormats))
	for what, samples := range files {
		for _, sample := range samples {
			if err := open(sample); err == nil || !strings.HasPrefix(err.Error(), "this is "+what) {
				t.Errorf("%q: %v, want %s", sample, err, what)
			}
			text := []byte(strings.TrimLeft(strings.TrimPrefix(sample, byteOrderMark), "\r\n "))
			at := slices.IndexFunc(foreignFormats, func(f foreignFormat) bool {
				return strings.HasPrefix(f.what, what) && f.matches([]byte(sample), append(text[:1:1], bytes.TrimLeft(text[1:], " \n")...))
			})
			if at >= 0 {
				used[at] = true
			}
		}
	}
	for i, f := range foreignFormats {
		if !used[i] {
			t.Errorf("no sample of %s, %q", f.what, f.magic)
		}
	}
	for _, text := range []string{
		"ORC,points\nA,1\n", "BZh,points\nA,1\n", "CDF,points\nA,1\n", "PARE;points\nA;1\n", "X\ny\n", "<5 years,points\n1,2\n", "[Club],[Points]\nA,1\n",
		"{club},points\nA,1\n", "version,points\n1,2\n", "RDX3,b\n1,2\n", "FEA1,b\n1,2\n", "$FL2,b\n1,2\n", "Standard,b\n1,2\n", "html,b\n1,2\n",
	} {
		if err := open(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
