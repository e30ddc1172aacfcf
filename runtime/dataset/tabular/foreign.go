package tabular

import (
	"bytes"
	"fmt"
	"strings"
)

// foreignFormat is a kind of file that cannot be read, and what to do with it.
type foreignFormat struct {
	what   string // "a gzip file"
	advice string // what to do, as a sentence's end

	at       int    // where magic stands
	magic    string // in lower case if fold is set
	contains string // more that the first sniffed bytes contain; "" for nothing
	text     bool   // it is text: spaces may surround the first character, after a byte order mark
	fold     bool   // the case of letters does not matter
	control  bool   // magic alone could begin a CSV: a control character must follow
}

// sniffed is how many bytes of a file decide its format.
const sniffed = 4096

const (
	findLink  = "download the file itself, for which that page may have a link; if a program saved a table so, open it in a spreadsheet and save it as CSV"
	iconv32   = "`iconv -f UTF-32 -t UTF-8 FILE > NEW.csv`, then try again with NEW.csv"
	saveAsCSV = "save the sheet as CSV, then try again"
	useR      = `in R, save the table with write.csv(x, "NEW.csv", row.names = FALSE), then try again`
	usePandas = `save it as Parquet, for example with pandas (df.to_parquet("NEW.parquet")), then try again`
	fromJSON  = `convert it to CSV, for example with pandas: pd.read_json("FILE").to_csv("NEW.csv", index=False), then try again`
)

// foreignFormats are known files that are neither CSV nor Parquet nor Arrow. The first
// that matches counts.
var foreignFormats = []foreignFormat{
	{what: "a gzip file", magic: "\x1f\x8b", advice: "`gunzip -c < FILE > NEW`, then try again with NEW; if R wrote it (.rds, .RData), save the table there with write.csv"},
	{what: "an xz file", magic: "\xfd7zXZ\x00", advice: "`xz -dc < FILE > NEW`, then try again with NEW"},
	{what: "a bzip2 file", magic: "BZh", control: true, advice: "`bzip2 -dc < FILE > NEW`, then try again with NEW"},
	{what: "a Zstandard file", magic: "\x28\xb5\x2f\xfd", advice: "`zstd -dc < FILE > NEW`, then try again with NEW"},
	{what: "an LZ4 file", magic: "\x04\x22\x4d\x18", advice: "`lz4 -dc < FILE > NEW`, then try again with NEW"},
	{what: "a Snappy file", magic: "\xff\x06\x00\x00sNaPpY", advice: "unpack it (`snzip -d FILE`), then try again"},
	{what: "an lzip file", magic: "LZIP\x01", advice: "`lzip -dc < FILE > NEW`, then try again with NEW"},
	{what: "a file of compress", magic: "\x1f\x9d", advice: "`gunzip -c < FILE > NEW`, then try again with NEW"},
	{what: "a 7-Zip archive", magic: "7z\xbc\xaf\x27\x1c", advice: "`7z x FILE`, then try again with the file in it"},
	{what: "a RAR archive", magic: "Rar!\x1a\x07", advice: "`unrar x FILE`, then try again with the file in it"},
	{what: "a tar archive", at: 257, magic: "ustar", advice: "`tar -xf FILE`, then try again with the file in it"},
	{what: "an OpenDocument workbook (.ods)", magic: "PK\x03\x04", contains: "mimetypeapplication/vnd.oasis.opendocument.spreadsheet", advice: saveAsCSV},
	{what: "a Word document (.docx)", magic: "PK\x03\x04", contains: "word/", advice: "save its table as CSV, then try again"},
	{what: "an Excel workbook (.xlsx)", magic: "PK\x03\x04", contains: "[Content_Types].xml", advice: saveAsCSV},
	{what: "an Excel workbook (.xlsx)", magic: "PK\x03\x04", contains: "xl/", advice: saveAsCSV},
	{what: "a NumPy archive (.npz)", magic: "PK\x03\x04", contains: ".npy", advice: usePandas},
	{what: "a ZIP archive", magic: "PK\x03\x04", advice: "`unzip FILE`, then try again with the file in it; if it is a workbook, save the sheet as CSV"},
	{what: "an empty ZIP archive", magic: "PK\x05\x06", advice: "download it again"},
	{what: "an Excel workbook (.xls)", magic: "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", advice: saveAsCSV},
	{what: "an SQLite database", magic: "SQLite format 3\x00", advice: "`sqlite3 -header -csv FILE \"SELECT * FROM NAME\" > NEW.csv`, with a name that `sqlite3 FILE .tables` lists, then try again"},
	{what: "a DuckDB database", at: 8, magic: "DUCK", control: true, advice: "`duckdb FILE -c \"COPY NAME TO 'NEW.parquet'\"`, then try again"},
	{what: "an Access database", magic: "\x00\x01\x00\x00Standard ", advice: "export the table as CSV (`mdb-export FILE NAME > NEW.csv`), then try again"},
	{what: "an ORC file", magic: "ORC", control: true, advice: `save it as Parquet, for example with pandas: pd.read_orc("FILE").to_parquet("NEW.parquet"), then try again`},
	{what: "an Avro file", magic: "Obj\x01", advice: "save it as Parquet, then try again"},
	{what: "a Feather file of version 1", magic: "FEA1", control: true, advice: `save it as version 2, for example with pandas: pd.read_feather("FILE").to_feather("NEW.arrow"), then try again`},
	{what: "an encrypted Parquet file", magic: "PARE", control: true, advice: "save it without encryption, then try again"},
	{what: "an HDF5 or NetCDF-4 file", magic: "\x89HDF\r\n\x1a\n", advice: "save the table in it as CSV or Parquet, for example with xarray or pandas, then try again"},
	{what: "a NetCDF file", magic: "CDF", control: true, advice: "save the table in it as CSV or Parquet, for example with xarray or pandas, then try again"},
	{what: "a Stata file", magic: "<stata_dta>", advice: "in Stata, `export delimited NEW.csv`, then try again"},
	{what: "a Stata file", at: 1, magic: "\x01\x01\x00", advice: "in Stata, `export delimited NEW.csv`, then try again"},
	{what: "a Stata file", at: 1, magic: "\x02\x01\x00", advice: "in Stata, `export delimited NEW.csv`, then try again"},
	{what: "a SAS file (.sas7bdat)", magic: "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xc2\xea\x81\x60", advice: "in SAS, `proc export dbms=csv`, then try again"},
	{what: "a SAS transport file (.xpt)", magic: "HEADER RECORD*******", advice: "in SAS, `proc export dbms=csv`, then try again"},
	{what: "an SPSS file", magic: "$FL2", control: true, advice: "in SPSS, save it as CSV, then try again"},
	{what: "an SPSS file", magic: "$FL3", control: true, advice: "in SPSS, save it as CSV, then try again"},
	{what: "a file of R (.RData)", magic: "RDX", control: true, advice: useR},
	{what: "a file of R (.rds)", magic: "X\n\x00\x00\x00", advice: useR},
	{what: "a MATLAB file", magic: "MATLAB 5.0 MAT-file", advice: "in MATLAB, save the table with writetable(T, 'NEW.csv'), then try again"},
	{what: "a NumPy file (.npy)", magic: "\x93NUMPY", advice: usePandas},
	{what: "a Python pickle", magic: "\x80\x02", advice: usePandas},
	{what: "a Python pickle", magic: "\x80\x03", advice: usePandas},
	{what: "a Python pickle", magic: "\x80\x04\x95", advice: usePandas},
	{what: "a Python pickle", magic: "\x80\x05\x95", advice: usePandas},
	{what: "a dBASE table (.dbf)", magic: "\x03", advice: "save it as CSV (`ogr2ogr NEW.csv FILE`), then try again"},
	{what: "a shapefile", magic: "\x00\x00\x27\x0a", advice: "save its table as CSV (`ogr2ogr NEW.csv FILE`), then try again"},
	{what: "a picture (PNG)", magic: "\x89PNG\r\n", advice: "look for the table as CSV"},
	{what: "a picture (JPEG)", magic: "\xff\xd8\xff", advice: "look for the table as CSV"},
	{what: "an RTF document", magic: `{\rtf`, advice: "save its table as CSV, then try again"},
	{what: "a PDF", magic: "%PDF-", advice: "look for the table as CSV, or export it from the PDF with a tool such as tabula"},
	{what: "text in UTF-32", magic: "\xff\xfe\x00\x00", advice: iconv32},
	{what: "text in UTF-32", magic: "\x00\x00\xfe\xff", advice: iconv32},
	{what: "a pointer of Git LFS, not the file itself", magic: "version https://git-lfs.github.com/spec/", text: true, advice: "`git lfs pull`, then try again"},
	{what: "a web page (HTML), not a table", magic: "<!doctype html", text: true, fold: true, advice: findLink},
	{what: "a web page (HTML), not a table", magic: "<html", text: true, fold: true, advice: findLink},
	{what: "a web page (HTML), not a table", magic: "<head", text: true, fold: true, advice: findLink},
	{what: "a web page (HTML), not a table", magic: "<body", text: true, fold: true, advice: findLink},
	{what: "a web page (HTML), not a table", magic: "<table", text: true, fold: true, advice: findLink},
	{what: "a web page (HTML), not a table", magic: "<?xml", contains: "<html", text: true, advice: findLink},
	{what: "a web page (HTML), not a table", magic: "<!--", text: true, advice: findLink},
	{what: "a web page (HTML), not a table", magic: "<script", text: true, fold: true, advice: findLink},
	{what: "XML", magic: "<?xml", text: true, advice: "save its table as CSV, or look for a download as CSV"},
	{what: "JSON", magic: `{"`, text: true, advice: fromJSON},
	{what: "JSON", magic: `[{`, text: true, advice: fromJSON},
	{what: "JSON", magic: `[[`, text: true, advice: fromJSON},
	{what: "JSON", magic: `["`, text: true, advice: fromJSON},
}

// checkForeign returns an error if the file that begins so is one of foreignFormats. begin
// is the whole file, or at least sniffed bytes of it.
func checkForeign(begin []byte) error {
	begin = begin[:min(len(begin), sniffed)]
	const spaces = " \t\r\n"
	text := bytes.TrimLeft(bytes.TrimPrefix(begin, []byte(byteOrderMark)), spaces)
	if len(text) > 0 { // [ { is JSON as [{ is
		text = append([]byte{text[0]}, bytes.TrimLeft(text[1:], spaces)...)
	}
	for i := range foreignFormats {
		if f := &foreignFormats[i]; f.matches(begin, text) {
			return fmt.Errorf("this is %s: %s; a dataset is a CSV, Parquet or Arrow file", f.what, f.advice)
		}
	}
	return nil
}

// matches reports whether a file that begins so has the format; text is begin without
// spaces around its first character.
func (f *foreignFormat) matches(begin, text []byte) bool {
	if f.text {
		begin = text
	}
	end := f.at + len(f.magic)
	if len(begin) < end || !bytes.Contains(begin, []byte(f.contains)) || f.control && !bytes.ContainsFunc(begin, isBinary) {
		return false
	}
	got := string(begin[f.at:end])
	return got == f.magic || f.fold && strings.EqualFold(got, f.magic)
}

// isBinary reports whether a character does not occur in text.
func isBinary(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\n\v\f\r", r) }
