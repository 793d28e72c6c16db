//go:build !race

package keys_test

// racing says that the race detector is on.
const racing = false
