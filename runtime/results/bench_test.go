package results

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

func BenchmarkCodec(b *testing.B) {
	job := done()
	keys := question.Column{Name: "location", Type: question.String, Role: question.RoleKey}
	means := question.Column{Name: "mean", Type: question.Number, Role: question.RoleValue}
	for i := range 55 {
		keys.Dict, keys.Codes = append(keys.Dict, "a state of the union"), append(keys.Codes, int32(i))
		means.Numbers = append(means.Numbers, 30+float64(i)/7)
	}
	job.Result.Columns = []question.Column{keys, means}
	data, err := encode(job)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if got, err := encode(job); err != nil || !bytes.Equal(got, data) {
				b.Fatal(err, "another encoding")
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		var got *question.Job
		for b.Loop() {
			var err error
			if got, err = decode(id0, data); err != nil {
				b.Fatal(err)
			}
		}
		if !reflect.DeepEqual(got.Result, job.Result) {
			b.Fatalf("%+v is not %+v", got.Result, job.Result)
		}
	})
	b.Run("head", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := cutHead(data); !ok {
				b.Fatal("no head")
			}
		}
	})
}
