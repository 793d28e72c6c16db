package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/gateway"
)

// matchOf reads "METHOD PATH", with a path that may be a regular expression after "~" and its base before it; "*" is every
// method. Conditions follow as words: h for one on a header, q for one on a query parameter.
func matchOf(t rapid.TB, text string) *gateway.Route {
	t.Helper()
	words := strings.Fields(text)
	r := &gateway.Route{Name: text, Action: gateway.ActionForward}
	if words[0] != "*" {
		r.Match.Methods = []string{words[0]}
	}
	var err error
	if base, expression, found := strings.Cut(words[1], "~"); found {
		r.Match.Path, err = gateway.ParseRegexPath(expression)
		r.Match.Path = r.Match.Path.Join(base)
	} else {
		r.Match.Path, err = gateway.ParsePath(words[1])
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, word := range words[2:] {
		c := gateway.Condition{Name: fmt.Sprintf("%s%d", word, i)}
		if word == "h" {
			r.Match.Headers = append(r.Match.Headers, c)
		} else {
			r.Match.Query = append(r.Match.Query, c)
		}
	}
	return r
}

// TestPrecedence lists matches in the order in which they are tried.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	order := []string{
		"GET /pay/status/now", "* /pay/status/now", "GET /pay", // Exact paths.
		"* /pay/v1/{id}/lines", "* /pay/v1/{id}", // Templates: more literal segments in front first, then the longer.
		"* /pay/x{n}", "GET /pay/{n}x", // More literal characters; of equal ones the spelling, whatever else is asked.
		"GET /pay/{id} h h", "GET /pay/{id} h", "GET /pay/{id} q q", "GET /pay/{id} q", "GET /pay/{id}", "* /pay/{id} h h h", "* /pay/{id}",
		"* /{bank}/{id}.csv", "* /{bank}/{id}",
		"* /pay/v1/**", "* /pay/{id}/**", "* /pay~/[0-9]+", "* /pay/**", // An expression is as long as its base.
		"* ~/p.*", "* /**",
	}
	want := make([]*gateway.Route, len(order))
	for i, text := range order {
		want[i] = matchOf(t, text)
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, gateway.ComparePrecedence)
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("at %d: %s, want %s", i, got[i].Name, want[i].Name)
		}
	}
}

// TestPrecedenceOfWhatIsDerived holds that what an API says about unlisted paths comes after whatever it lists.
func TestPrecedenceOfWhatIsDerived(t *testing.T) {
	t.Parallel()
	refuse := matchOf(t, "* /pay/**")
	refuse.Action = gateway.ActionRefuse
	for _, listed := range []string{"GET /pay~/[0-9]+", "* /pay~/.*", "* /pay/{id}", "* /pay", "GET /pay/**", "* /pay/**", "* /pay/{id}/**"} {
		if gateway.ComparePrecedence(matchOf(t, listed), refuse) >= 0 {
			t.Errorf("%s comes after the refusal of what is not listed", listed)
		}
	}
}

// TestPrecedenceIsAnOrder holds that the order has no circles, and tells every two different matches apart.
func TestPrecedenceIsAnOrder(t *testing.T) {
	t.Parallel()
	part := func(values ...string) *rapid.Generator[string] { return rapid.SampledFrom(values) }
	parts := []*rapid.Generator[string]{
		part("*", "GET", "POST"),
		part("/", "/**", "/pay", "/pay/", "/pay/**", "/pay/{id}", "/pay/{id}/**", "/{a}/**", "/{a}/x", "/pay/x{n}", "/pay/x/**", "~/.*", "/pay~/.*", "/pay/x~/.*", "/pay~/x"),
		part("", "h", "q", "h q", "h h"),
		part(string(gateway.ActionForward), string(gateway.ActionMethod), string(gateway.ActionRefuse)),
		part("a", "b"),
	}
	// draw draws a route: a new one, or one that differs from another in one part.
	draw := func(t *rapid.T, words []string) (*gateway.Route, []string) {
		words = slices.Clone(words)
		only := rapid.IntRange(-1, len(parts)-1).Draw(t, "only")
		for i := range parts {
			if only < 0 || i == only {
				words[i] = parts[i].Draw(t, "part")
			}
		}
		r := matchOf(t, strings.Join(words[:3], " "))
		r.Action, r.Name = gateway.Action(words[3]), words[4]
		return r, words
	}
	rapid.Check(t, func(t *rapid.T) {
		a, words := draw(t, []string{"*", "/", "", string(gateway.ActionForward), "a"})
		b, words := draw(t, words)
		c, _ := draw(t, words)
		ab, ba := gateway.ComparePrecedence(a, b), gateway.ComparePrecedence(b, a)
		if ab != -ba {
			t.Fatalf("%+v before %+v: %d, and back: %d", a.Match, b.Match, ab, ba)
		}
		same := cmp.Equal(a.Match, b.Match) && a.Action == b.Action
		if ab == 0 && (!same || a.Name != b.Name) {
			t.Fatalf("%+v and %+v are not told apart", a.Match, b.Match)
		}
		if first, second := *a, *b; !same {
			first.Name, second.Name = b.Name, a.Name
			if gateway.ComparePrecedence(&first, &second) != ab {
				t.Fatalf("%+v and %+v are ordered by their names", a.Match, b.Match)
			}
		}
		if ab <= 0 && gateway.ComparePrecedence(b, c) <= 0 && gateway.ComparePrecedence(a, c) > 0 {
			t.Fatalf("a circle: %+v, %+v, %+v", a.Match, b.Match, c.Match)
		}
	})
}
