// Command goguest is a plugin that tries what Go's runtime and library do with
// the world around them: sleep, read files, panic in a goroutine, eat memory.
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

var (
	state = &sdk.StringColumn{Name: "state"}
	value = &sdk.NumberColumn{Name: "value"}
	key   = &sdk.CodeResult{Of: state}
	mean  = &sdk.NumberResult{Name: "mean", UnitOf: value}
	text  = &sdk.StringResult{Name: "text"}

	// Columns that the dataset does not have, or has with another type.
	low    = &sdk.NumberColumn{Name: "low", Optional: true}
	asked  = &sdk.IntegerColumn{Name: "asked", Optional: true}
	remark = &sdk.StringColumn{Name: "remark", Optional: true}
	number = &sdk.NumberColumn{Name: "year", Optional: true}
	noted  = &sdk.CodeResult{Of: remark}
)

func init() {
	said := sdk.Result{Values: []sdk.ResultColumn{text}, Layout: sdk.LayoutRecord}
	sdk.Serve(&sdk.Plugin{
		Name: "goguest", Version: "1", Columns: []sdk.Column{state, value, low, asked, remark, number},
		Questions: []*sdk.Question{
			{Name: "mean", Result: sdk.Result{Keys: []sdk.ResultColumn{key}, Values: []sdk.ResultColumn{mean}, Layout: sdk.LayoutMap}, Answer: means},
			{Name: "optional", Result: sdk.Result{Values: []sdk.ResultColumn{noted, text}}, Answer: optional},
			{Name: "world", Result: said, Answer: world},
			{Name: "remembers", Result: said, Answer: remembers},
			{Name: "panics", Result: said, Answer: func(*sdk.Job) error { panic("on purpose") }},
			{Name: "panics_aside", Result: said, Answer: func(*sdk.Job) error {
				go func() { panic("in a goroutine") }()
				time.Sleep(time.Second)
				return nil
			}},
			{Name: "eats", Result: said, Answer: func(*sdk.Job) error {
				var keep [][]byte
				for {
					keep = append(keep, make([]byte, 1<<20))
				}
			}},
			{Name: "exits", Result: said, Answer: func(*sdk.Job) error {
				os.Exit(7)
				return nil
			}},
			{Name: "waits", Result: said, Answer: func(*sdk.Job) error {
				select {} // Go calls it a deadlock
			}},
		},
	})
}

func means(job *sdk.Job) error {
	values, codes := value.Values(job), state.Codes(job)
	sums, counts := make([]float64, state.Count(job)), make([]float64, state.Count(job))
	for rows := range job.Rows(value) {
		for _, row := range rows {
			sums[codes[row]] += values[row]
			counts[codes[row]]++
		}
	}
	for i := range sums {
		if counts[i] > 0 {
			key.Column(job).Append(int32(i))
			mean.Column(job).Append(sums[i] / counts[i])
		}
	}
	return nil
}

func optional(job *sdk.Job) error {
	_, found := remark.Code(job, "none")
	counts := fmt.Sprint(len(low.Values(job)), low.Missing(job), len(asked.Values(job)), asked.Missing(job), len(remark.Codes(job)), remark.Missing(job),
		remark.Count(job), found, number.Missing(job), low.Unit(job) == "")
	for _, c := range []sdk.Column{low, asked, remark, number} {
		for range job.Rows(c) {
			counts += " a row has a value"
		}
	}
	noted.Column(job).AppendMissing()
	text.Column(job).Append(counts)
	return nil
}

func world(job *sdk.Job) error {
	start := time.Now()
	time.Sleep(3 * time.Hour)
	_, read := os.ReadFile("/etc/passwd")
	write := os.WriteFile("/tmp/goguest", nil, 0o600)
	_, list := os.ReadDir(".")
	n, input := os.Stdin.Read(make([]byte, 1))
	order := ""
	for k := range map[string]int{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5} {
		order += k
	}
	fmt.Println("said on standard output")
	text.Column(job).Append(fmt.Sprintf("%s, slept %s; read: %v, write: %v, list: %v, input: %d %v; args %d, env %d; %s %d",
		start.UTC().Format(time.DateOnly), time.Since(start).Round(time.Second), read != nil, write != nil, list != nil, n, input,
		len(os.Args), len(os.Environ()), order, rand.Int()))
	return nil
}

// Where remembers leaves something.
var (
	jobs    int
	kept    = map[string][]byte{}
	once    sync.Once
	pool    sync.Pool
	started atomic.Int64
)

// remembers says what it finds of earlier jobs, and leaves much.
func remembers(job *sdk.Job) error {
	found := fmt.Sprintf("%d jobs, %d kept, goroutines %d started %d, pool %v, ",
		jobs, len(kept), runtime.NumGoroutine(), started.Load(), pool.Get())
	once.Do(func() { found += "once, " })
	jobs++
	for i := range 50 {
		kept[fmt.Sprint(i, rand.Int())] = make([]byte, 10_000)
	}
	pool.Put("pooled")
	for range 20 {
		go func() { // never ends
			started.Add(1)
			<-make(chan int)
		}()
	}
	time.Sleep(time.Millisecond)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	values := value.Values(job)
	found += fmt.Sprintf("collected %d times, allocated %d, %v, %s, %d", m.NumGC, m.Mallocs, values[0], time.Now().Format(time.RFC3339Nano), rand.Int())
	values[0] = 99 // the dataset's
	text.Column(job).Append(found)
	return nil
}

func main() {}
