package wire

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

func TestBatchFor(t *testing.T) {
	for limit, want := range map[time.Duration]Batch{
		500 * time.Millisecond:         {10, 15 * time.Second, 90 * time.Second},
		time.Second:                    {10, 20 * time.Second, 2 * time.Minute},
		5 * time.Second:                {10, time.Minute, 6 * time.Minute},
		25 * time.Second:               {2, time.Minute, 6 * time.Minute},
		26 * time.Second:               {1, 36 * time.Second, 216 * time.Second},
		2*time.Minute + 1:              {1, 131 * time.Second, 786 * time.Second},
		14*time.Minute + batchTime:     {1, 15 * time.Minute, 90 * time.Minute},
		14*time.Minute + batchTime + 1: {}, 12 * time.Hour: {}, 0: {}, -1: {},
	} {
		got, err := BatchFor(limit)
		if want.Size == 0 {
			if err == nil || !strings.Contains(err.Error(), "time limit "+limit.String()) {
				t.Errorf("%s: %+v, %v", limit, got, err)
			}
		} else if got != want || err != nil {
			t.Errorf("%s: %+v, %v; want %+v", limit, got, err, want)
		}
	}
}

func TestBatchCheck(t *testing.T) {
	for _, test := range []struct {
		batch Batch
		limit time.Duration
		want  string
	}{
		{Batch{10, time.Minute, 6 * time.Minute}, 5 * time.Second, ""},
		{Batch{10, time.Minute, 6 * time.Minute}, 25 * time.Second, "10 jobs that may take 25s each do not fit into the function's timeout of 1m0s: give it 4m20s, or batches of at most 2"},
		{Batch{1, 30 * time.Second, time.Hour}, 25 * time.Second, "or batches of at most 0"},
		{Batch{1, time.Minute, 30 * time.Second}, 5 * time.Second, "visibility timeout of 30s is shorter"},
		{Batch{1, 16 * time.Minute, time.Hour}, 5 * time.Second, "at most 15m0s"},
		{Batch{1, time.Minute, time.Hour}, 0, "above zero"},
	} {
		if err := test.batch.Check(test.limit); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v, %s: %v; want %q", test.batch, test.limit, err, test.want)
		}
	}
}

// Each time limit that template.yaml allows has the batch that goes with it.
func TestTemplateBatches(t *testing.T) {
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Parameters struct {
			TimeLimit struct {
				Allowed []string `yaml:"AllowedValues"`
				Default string   `yaml:"Default"`
			} `yaml:"TimeLimit"`
		} `yaml:"Parameters"`
		Mappings struct {
			Batches map[string]struct {
				Size       int `yaml:"Size"`
				Timeout    int `yaml:"Timeout"`
				Visibility int `yaml:"Visibility"`
			} `yaml:"Batches"`
		} `yaml:"Mappings"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	allowed := template.Parameters.TimeLimit
	if len(allowed.Allowed) == 0 || len(template.Mappings.Batches) != len(allowed.Allowed) || allowed.Default != DefaultTimeLimit.String() {
		t.Errorf("%+v", template)
	}
	for _, text := range allowed.Allowed {
		limit, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		want, err := BatchFor(limit)
		if err != nil {
			t.Error(err)
		}
		row := template.Mappings.Batches[text]
		if got := (Batch{row.Size, time.Duration(row.Timeout) * time.Second, time.Duration(row.Visibility) * time.Second}); got != want {
			t.Errorf("%s: %+v; want %+v", text, got, want)
		}
	}
}
