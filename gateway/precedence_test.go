package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

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
	path := rapid.SampledFrom([]string{
		"/", "/**", "/pay", "/pay/", "/pay/**", "/pay/{id}", "/pay/{id}/**", "/{a}/**", "/{a}/x", "/pay/x{n}", "/pay/x/**", "~/.*", "/pay~/.*", "/pay/x~/.*", "/pay~/x",
	})
	draw := func(t *rapid.T, name string) *gateway.Route {
		text := rapid.SampledFrom([]string{"*", "GET", "POST"}).Draw(t, name+" method") + " " + path.Draw(t, name)
		text += rapid.SampledFrom([]string{"", " h", " q", " h q", " h h"}).Draw(t, name+" conditions")
		r := matchOf(t, text)
		r.Action = rapid.SampledFrom([]gateway.Action{gateway.ActionForward, gateway.ActionMethod, gateway.ActionRefuse}).Draw(t, name+" action")
		return r
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := draw(t, "a"), draw(t, "b"), draw(t, "c")
		ab, ba := gateway.ComparePrecedence(a, b), gateway.ComparePrecedence(b, a)
		if ab != -ba {
			t.Fatalf("%s before %s: %d, and back: %d", a.Name, b.Name, ab, ba)
		}
		if ab == 0 && (a.Name != b.Name || a.Action != b.Action) {
			t.Fatalf("%s and %s are not told apart", a.Name, b.Name)
		}
		if ab <= 0 && gateway.ComparePrecedence(b, c) <= 0 && gateway.ComparePrecedence(a, c) > 0 {
			t.Fatalf("a circle: %s, %s, %s", a.Name, b.Name, c.Name)
		}
	})
}
