//go:build e2e

package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/echo"
	"github.com/gatehouse/gatehouse/server"
	"github.com/gatehouse/gatehouse/xds/explain"
)

// labyrinth has routes without a base, so that each backend sees the path by which Envoy chose it: one that nobody may reach
// without a token, and public ones beside it. Each has a backend of its own, named as the route.
func labyrinth() (documents string, patterns map[string]string) {
	patterns = map[string]string{
		"secret": "/secret/**", "exact": "/public/secret", "deep": "/public/x/{id}", "public": "/public/**", "csv": "/{name}.csv",
	}
	documents = `schema: 1
kind: Gateway
name: edge
listeners: [{name: http, address: 127.0.0.1, port: ${PORT}}]
`
	for name, pattern := range patterns {
		authenticate := "none"
		if name == "secret" || name == "exact" {
			authenticate = "{jwt: nordhaven}"
		}
		documents += fmt.Sprintf(`---
kind: Upstream
name: %[1]s
endpoints: [{address: "${%[1]s}"}]
---
kind: Route
name: %[1]s
expose: {gateway: edge}
match: {path: "%[2]s"}
to: %[1]s
authenticate: %[3]s
`, name, pattern, authenticate)
	}
	return documents, patterns
}

// TestSpellingsLeadNowhereElse sends paths spelt in every odd way: the route that answers is the one that the path means which
// its backend then sees, and that path can be read in one way only. So no spelling leads past a token.
func TestSpellingsLeadNowhereElse(t *testing.T) {
	t.Parallel()
	text, patterns := labyrinth()
	values := map[string]string{}
	for name := range patterns {
		values[name], _ = backend(t, name, "")
	}
	documents := map[string]string{"labyrinth.yaml": text}
	for name, text := range bank(t) {
		if strings.HasPrefix(name, "issuer") {
			documents[name] = text
		}
	}
	w := newWorld(t, documents, values)
	w.startEnvoy("edge", "edge-1")
	alice := token(t, map[string]any{"sub": "alice"})
	checked, faults := server.Check(w.dir, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	answered := 0
	rapid.Check(t, func(t *rapid.T) {
		target := hostilePath(t)
		stranger, status := w.raw(t, target, "")
		if status == http.StatusOK && (stranger.Name == "secret" || stranger.Name == "exact") {
			t.Fatalf("%q leads a stranger to %s, as %q", target, stranger.Name, stranger.Path)
		}
		got, status := w.raw(t, target, alice)
		if status != http.StatusOK {
			return
		}
		answered++
		if want := meant(patterns, got.Path); got.Name != want {
			t.Fatalf("%q leads to %s as %q, which means %q", target, got.Name, got.Path, want)
		}
		// A backslash behind a semicolon ends no segment for Envoy, which is nothing that an explanation need know.
		odd := strings.Contains(target, ";") && strings.Contains(target, "\\")
		if explained := explained(t, checked.Revision, target); !odd && explained != "route/"+got.Name {
			t.Fatalf("%q leads to %s as %q, and is explained to lead to %s", target, got.Name, got.Path, explained)
		}
		if means := oneReading(got.Path); means != got.Path {
			t.Fatalf("%q reaches %s as %q, which may be read as %q", target, got.Name, got.Path, means)
		}
	})
	if answered < 10 {
		t.Errorf("only %d paths were answered at all", answered)
	}
}

// explained returns the route that an explanation of a request names.
func explained(t *rapid.T, rev *gateway.Revision, target string) string {
	answer, err := explain.Request(rev, explain.Query{Method: "GET", URL: "http://bank.test" + target})
	if err != nil {
		t.Fatalf("%q: %v", target, err)
	}
	return answer.Route
}

// hostilePath draws a path of parts that are read in different ways by different servers.
func hostilePath(t *rapid.T) string {
	slash := rapid.SampledFrom([]string{"/", "/", "/", "/", "//", "/./", "%2f", "%5c", "\\", "/../", "/%2e%2e/", "/.%2E/", "/x/../", ";/", "/;/"})
	part := rapid.SampledFrom([]string{
		"public", "secret", "public", "secret", "x", "a.csv", "%73ecret", "sec%72et", "SECRET", "secret%00", "%2573ecret", "..", "%2e%2e", "%252e%252e", ".",
		"..;", "secret;a=b", "sécret", "secret.csv", "",
	})
	target := ""
	for range rapid.IntRange(1, 4).Draw(t, "parts") {
		target += slash.Draw(t, "slash") + part.Draw(t, "part")
	}
	target += rapid.SampledFrom([]string{"", "", "/", "?", "?/secret", "?q=/../secret", "#/secret"}).Draw(t, "end")
	return "/" + strings.TrimLeft(target, "/")
}

// meant returns the name of the route whose pattern is the first in precedence that a path matches.
func meant(patterns map[string]string, seen string) string {
	var best *gateway.Route
	for name, text := range patterns {
		p, err := gateway.ParsePath(text)
		if err != nil || !p.Matches(seen) {
			continue
		}
		r := &gateway.Route{Name: name, Match: gateway.Match{Path: p}}
		if best == nil || gateway.ComparePrecedence(r, best) < 0 {
			best = r
		}
	}
	if best == nil {
		return ""
	}
	return best.Name
}

// oneReading returns a path as a server reads it that decodes what a path may not need encoded, takes a backslash for a
// slash and parameters off segments of dots, and walks dots and empty segments.
func oneReading(seen string) string {
	for encoded, plain := range map[string]string{"%2f": "/", "%2F": "/", "%5c": "/", "%5C": "/", "\\": "/", "%2e": ".", "%2E": "."} {
		seen = strings.ReplaceAll(seen, encoded, plain)
	}
	segments := strings.Split(seen, "/")
	for i, s := range segments {
		if dots, _, _ := strings.Cut(s, ";"); dots == "." || dots == ".." {
			segments[i] = dots
		}
	}
	seen = strings.Join(segments, "/")
	clean := path.Clean(seen)
	if strings.HasSuffix(seen, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// raw sends a GET whose target is written as it is, with a header line or none, and returns what the backend received.
func (w *world) raw(t *rapid.T, target, header string) (got echo.Answer, status int) {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:"+w.values["PORT"])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if header != "" {
		header += "\r\n"
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nhost: bank.test\r\n%sconnection: close\r\n\r\n", target, header); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", target, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%q: %v", target, err)
	}
	if response.StatusCode == http.StatusOK {
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%q: %v: %q", target, err, body)
		}
	}
	return got, response.StatusCode
}
