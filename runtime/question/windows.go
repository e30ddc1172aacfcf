//go:build windows

package question

// On Windows the build ends here, in a leaf that everything else waits for, with a reason:
// the sandbox limits compilers with what Unix has for processes.
var _ = lestats_does_not_run_on_Windows_use_WSL_2_or_a_container
