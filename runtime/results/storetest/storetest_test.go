package storetest_test

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) results.Objects { return new(storetest.Memory) })
}

// Faults without a fault change nothing.
func TestFaultsConform(t *testing.T) {
	storetest.Run(t, func(*testing.T) results.Objects { return storetest.NewFaults(new(storetest.Memory), 1) })
}

func TestFaults(t *testing.T) {
	memory := new(storetest.Memory)
	f := storetest.NewFaults(memory, 7)
	f.SetRate(0.5)
	failed, stored := 0, 0
	for i := range 400 {
		key := "pending/" + storetest.ID(time.UnixMilli(0), i)
		if err := f.Put(t.Context(), key, nil); err == nil {
			continue
		} else if !errors.Is(err, storetest.ErrFault) {
			t.Fatal(err)
		}
		failed++
		if _, err := memory.Get(t.Context(), key, 0); err == nil {
			stored++
		}
	}
	if failed < 150 || failed > 250 || stored < failed/3 || stored > failed*2/3 {
		t.Errorf("of 400 calls %d failed, of which %d took effect", failed, stored)
	}
}
