//go:build e2e

package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLimitHeaders tells clients of limits as the Gateway says, whichever way a request went, and names the limit where one is reached.
func TestLimitHeaders(t *testing.T) {
	t.Parallel()
	for style, want := range map[string][]string{
		"draft":       {"ratelimit", "ratelimit-policy"},
		"x-ratelimit": {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"},
		"both":        {"ratelimit", "ratelimit-policy", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"},
		"none":        {},
	} {
		t.Run(style, func(t *testing.T) {
			t.Parallel()
			w := oneHopWorld(t, strings.Replace(onehop, "limit-headers: both", "limit-headers: "+style, 1))
			w.startEnvoy("edge", "edge-1")
			for n := range 6 {
				way := []string{"/counted", "/checked"}[n%2]
				a := w.get(w.url("PORT", way))
				told := []string{}
				for _, name := range []string{"ratelimit", "ratelimit-policy", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"} {
					if len(a.header.Values(name)) == 1 {
						told = append(told, name)
					}
				}
				if diff := cmp.Diff(want, told); diff != "" {
					t.Errorf("request %d, to %s (-want +got):\n%s", n+1, way, diff)
				}
				if style == "draft" {
					draftHeaders(t, a, n)
				}
				refused := a.status == 429
				if refused != (n > 3) || refused != (a.header.Get("retry-after") != "") || refused != strings.Contains(a.body, `"limit":"header"`) {
					t.Errorf("request %d, to %s: %+v", n+1, way, a)
				}
			}
		})
	}
}

// draftHeaders holds the headers of the request of a number to the draft.
func draftHeaders(t *testing.T, a answer, n int) {
	t.Helper()
	if got, want := a.header.Get("ratelimit-policy"), `"address";q=20;w=60, "header";q=4;w=90`; got != want {
		t.Errorf("the policy is %s, want %s", got, want)
	}
	spent := min(n+1, 4)
	want := fmt.Sprintf(`"address";r=%d, "header";r=%d`, 20-spent, 4-spent)
	if got := resets(a.header.Get("ratelimit")); got != want {
		t.Errorf("request %d: it stands at %s, want %s", n+1, got, want)
	}
}
