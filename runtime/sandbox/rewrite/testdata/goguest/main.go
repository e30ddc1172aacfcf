// A guest as Go makes them, with what analyses do: it is built by the tests.
package main

import (
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
)

type row struct {
	Name  string
	Value float64
	Tags  []string
}

func rows(n int32) []row {
	x := uint32(12345)
	rs := make([]row, n)
	for i := range rs {
		x = x*1103515245 + 12345
		rs[i] = row{"n" + strconv.Itoa(int(x>>8%1000)), math.Sqrt(float64(x>>8)) / 3, []string{"a", "b"}}
	}
	return rs
}

// jobs counts calls: what a guest remembers.
var jobs int32

//go:wasmexport remember
func remember() int32 { jobs++; return jobs }

//go:wasmexport scan
func scan(n int32) int32 {
	a, valid, sum := make([]float64, 4096), make([]byte, 512), 0.0
	for i := range a {
		a[i] = float64(i % 77)
		valid[i/8] |= byte(i%3+1) / 2 << (i % 8)
	}
	for k := int32(0); k < n; k++ {
		for i, v := range a {
			if valid[i/8]>>(i%8)&1 != 0 {
				sum += v
			}
		}
	}
	return int32(sum)
}

//go:wasmexport group
func group(n int32) int32 {
	sums := map[string]float64{}
	for _, r := range rows(n) {
		sums[r.Name] += r.Value
	}
	return int32(len(sums))
}

//go:wasmexport sort
func sorted(n int32) int32 {
	rs := rows(n)
	sort.Slice(rs, func(i, j int) bool { return rs[i].Value < rs[j].Value })
	return int32(rs[n/2].Value)
}

//go:wasmexport format
func format(n int32) int32 {
	var b strings.Builder
	for i := int32(0); i < n; i++ {
		fmt.Fprintf(&b, "%.3f %v;", float64(i)*1.1, i)
	}
	return hash(b.String())
}

//go:wasmexport json
func encoded(n int32) int32 {
	b, _ := json.Marshal(rows(n))
	var back []row
	if err := json.Unmarshal(b, &back); err != nil {
		return -1
	}
	return hash(string(b)) + int32(len(back))
}

//go:wasmexport recurse
func recurse(n int32) int32 { return fib(n) }

func fib(n int32) int32 {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

//go:wasmexport copy
func copied(n int32) int32 {
	a, b := make([]byte, 1<<16), make([]byte, 1<<16)
	for i := range a {
		a[i] = byte(i)
	}
	for k := int32(0); k < n; k++ {
		copy(b[k%100:], a)
		a[k%1000]++
	}
	return hash(string(b))
}

func hash(s string) int32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return int32(h)
}

func main() {}
