package sandbox

import "testing"

func testHostileBeside(t *testing.T) {}
