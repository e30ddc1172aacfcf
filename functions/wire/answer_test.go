package wire

import (
	"log/slog"
	"strconv"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// BenchmarkAnswer asks states_mean of the sample, from request to answer, with what is said
// about it: about rows that were counted before, and about rows that were not.
func BenchmarkAnswer(b *testing.B) {
	questions, err := OpenQuestions(b.Context(), QuestionsConfig{EngineConfig: EngineConfig{Cache: b.TempDir(), Log: slog.New(slog.DiscardHandler)}, Plugins: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = questions.Close(b.Context()) }()
	const obesity = "Percent of adults aged 18 years and older who have obesity"
	req := question.Request{Question: "states_mean", Params: map[string]any{"question": obesity}}
	for name, where := range map[string]func(n int) map[string]any{
		"counted before": func(int) map[string]any { return nil },
		"counted now":    func(n int) map[string]any { return map[string]any{"year": map[string]any{"min": -float64(n)}} },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var answer *question.Answer
			n := b.N // as the loop is run again with another N
			for b.Loop() {
				n++
				req.Where = where(n)
				if answer, err = questions.Answer(b.Context(), req); err != nil {
					b.Fatal(err)
				}
			}
			c := answer.Coverage
			if got := strconv.Itoa(c.Rows) + " " + strconv.Itoa(c.Missing); answer.Table.Rows() != 55 || got != "19516 1948" || len(c.Mixed) != 5 || answer.Receipt.Result != answer.Table.Digest() {
				b.Fatalf("%d rows, %s, %v", answer.Table.Rows(), got, c.Mixed)
			}
		})
	}
}
