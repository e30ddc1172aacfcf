// Package storetest holds the conformance suite of the store: Run proves a
// results.Objects, alone and under a results.Store. Memory and Faults are there
// for tests of what stands on a store.
package storetest
