package sandbox

//go:generate testdata/compile.sh
