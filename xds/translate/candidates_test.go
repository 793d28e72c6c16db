package translate

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/gateway"
)

// TestPatternsAreThoseThatCover holds the patterns that are looked up for a host against the definition of covering.
func TestPatternsAreThoseThatCover(t *testing.T) {
	t.Parallel()
	pool := []string{"*", "*.test", "*.bank.test", "*.a.bank.test", "test", "bank.test", "a.bank.test", "b.a.bank.test", "xbank.test", "*.xbank.test", "*.nk.test"}
	rapid.Check(t, func(t *rapid.T) {
		host := rapid.SampledFrom(pool).Draw(t, "host")
		want := slices.DeleteFunc(slices.Clone(pool), func(p string) bool { return !gateway.HostCovers(p, host) })
		slices.SortFunc(want, gateway.CompareHosts)
		got := slices.DeleteFunc(patternsOf(host), func(p string) bool { return !slices.Contains(pool, p) })
		if !slices.Equal(got, want) {
			t.Fatalf("patterns that cover %s: %v, want %v", host, got, want)
		}
	})
}
