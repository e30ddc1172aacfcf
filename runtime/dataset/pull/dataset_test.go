package pull_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/pull"
)

// With the descriptor as the judge, as the command line has it: a file with its
// columns is taken, one that lacks a column or holds a word for a number is not.
func TestTheDescriptorJudges(t *testing.T) {
	d, err := dataset.ParseDescriptor(data.NPAO)
	if err != nil {
		t.Fatal(err)
	}
	var headers, values []string
	for _, c := range d.Columns {
		header, value := c.Header, `"a, b"`
		if c.Type != "string" {
			value = "2020"
		}
		headers, values = append(headers, header), append(values, value)
	}
	head, row := strings.Join(headers, ",")+"\r\n", strings.Join(values, ",")+"\r\n"
	for _, c := range []struct{ name, body, says string }{
		{"good", head + strings.Repeat(row, 20), ""},
		{"a column less", strings.Replace(head, "Data_Value", "Value", 1) + strings.Repeat(row, 20), "Data_Value"},
		{"a word for a number", head + strings.Repeat(row, 20) + strings.Replace(row, "2020", "many", 1), "many"},
		{"cut", head + strings.Repeat(row, 20) + row[:len(row)/2], "line 22"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, c.body) }))
			defer s.Close()
			target := filepath.Join(t.TempDir(), "npao.csv")
			got, err := pull.Pull(t.Context(), pull.Config{
				Source: pull.Source{Name: "npao", URL: s.URL, MinRows: 20},
				Target: target,
				Verify: func(ctx context.Context, path string) (int, error) {
					ds, err := dataset.Open(ctx, path, d)
					if err != nil {
						return 0, err
					}
					return ds.Rows(), ds.Close()
				},
			})
			_, missing := os.Stat(target)
			switch {
			case c.says == "" && (err != nil || missing != nil || got.Rows != 20):
				t.Errorf("got %+v, %v, %v", got, err, missing)
			case c.says != "" && (err == nil || missing == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("got %v, %v; want an error with %q", err, missing, c.says)
			}
		})
	}
}
