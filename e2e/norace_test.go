//go:build e2e && !race

package e2e_test

// buildFlags are those with which the binary is built, as these tests are.
func buildFlags() []string { return nil }

// slowed tells that the race detector slows everything down, policies beyond what they may take too.
const slowed = false
