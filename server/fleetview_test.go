package server

import "testing"

// TestShownAddressesAreACopy shows the addresses of a replica, which many read at once, and finds them as they were.
func TestShownAddressesAreACopy(t *testing.T) {
	t.Parallel()
	told := map[string]string{addressNodes: "192.0.2.1:18000", addressProcess: "a/1"}
	got := shown(told)
	if len(got) != 1 || got[addressNodes] != "192.0.2.1:18000" {
		t.Errorf("shown are %v", got)
	}
	if told[addressProcess] != "a/1" {
		t.Error("what the replica told was changed")
	}
}
