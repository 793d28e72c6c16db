//go:build !race

package keys_test

import (
	"testing"

	"github.com/gatehouse/gatehouse/authz/keys"
)

// TestFindAllocatesNothing looks for a key. The race detector allocates, as pools let go what they hold at random under it.
func TestFindAllocatesNothing(t *testing.T) {
	table, _ := newTable()
	table.PutApplication("shop", "", false)
	_, text := add(t, table, keys.Row{Application: "shop", Scopes: []string{"pay"}})
	if n := testing.AllocsPerRun(1000, func() { _, _ = table.Find(text) }); n > 0 {
		t.Errorf("finding a key allocates %v times", n)
	}
}
