//go:build race

package keys_test

// racing says that the race detector is on: pools then let go what they hold at random.
const racing = true
