//go:build race

package authz_test

// raced says that the race detector runs, under which times mean nothing.
const raced = true
