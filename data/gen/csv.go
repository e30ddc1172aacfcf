package main

import (
	"encoding/csv"
	"io"
	"strconv"
)

// syntheticSource is the value of the column Datasource in every row. The descriptor of
// the CDC's survey recognizes a synthetic file by it.
const syntheticSource = "SYNTHETIC: generated figures, not the survey's"

// writeCSV writes the rows in the form of the published file: its header and columns,
// lines that end in CRLF, quotes where needed, a footnote for each missing value. Every
// row is marked as synthetic.
func writeCSV(w io.Writer, rows []row) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	if err := out.Write(header); err != nil {
		return err
	}
	record := make([]string, 0, len(header))
	for i := range rows {
		r := &rows[i]
		year := strconv.Itoa(r.year)
		record = append(record[:0], year, year, r.location.abbr, r.location.name, syntheticSource,
			r.survey.class, r.survey.topic, r.survey.text, "", "Value")
		if r.present {
			value := tenths(r.value)
			record = append(record, value, value, "", "", tenths(r.low), tenths(r.high), strconv.Itoa(r.size))
		} else {
			record = append(record, "", "", "~", "Data not available because sample size is insufficient.", "", "", "")
		}
		for _, column := range header[len(record):23] { // Total to Race/Ethnicity
			if column == r.stratum.column {
				record = append(record, r.stratum.name)
			} else {
				record = append(record, "")
			}
		}
		record = append(record, r.location.point, r.survey.classID, r.survey.topicID, r.survey.id, "VALUE", strconv.Itoa(r.location.id),
			r.stratum.category, r.stratum.name, r.stratum.categoryID, r.stratum.id)
		if err := out.Write(record); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// tenths formats n tenths as the published file does: 12.3, and 12 without a point.
func tenths(n int) string {
	if n%10 == 0 {
		return strconv.Itoa(n / 10)
	}
	return strconv.Itoa(n/10) + "." + strconv.Itoa(n%10)
}
