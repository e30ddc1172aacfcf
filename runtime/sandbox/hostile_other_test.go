//go:build !unix

package sandbox

import (
	"os"
	"time"
)

// peakRSS is not known here.
func peakRSS(*os.ProcessState) int64 { return 0 }

// othersTime is not known here.
func othersTime() time.Duration { return 0 }
