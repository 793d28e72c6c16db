package authz

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/gateway"
)

// holds makes comparisons as Envoy does.
func holds(tests []textTest, text string) bool {
	for _, t := range tests {
		for _, v := range t.values {
			value, _ := v.(string)
			if map[gateway.Op]bool{
				gateway.OpEquals: text == value, gateway.OpPrefix: strings.HasPrefix(text, value),
				gateway.OpSuffix: strings.HasSuffix(text, value), gateway.OpContains: strings.Contains(text, value),
			}[t.op] {
				return true
			}
		}
	}
	return false
}

// TestTextTests has those expressions become comparisons that people write, and leaves others alone.
func TestTextTests(t *testing.T) {
	t.Parallel()
	for pattern, plain := range map[string]bool{
		"^Bearer ": true, "^(mobile|web)$": true, `\.bank\.test$`: true, "app": true, "^app-.*$": true, "^v[123]$": true, "^a$|^b$": true, "(?s).*b": true,
		"^https?://": true, "^(a|b)(c|d)?$": true, "^[a-z]+$": false, "(?i)app": false, "^$": false, "": false, "^": false, "a.b": false, `\bapp\b`: false,
		"(?m)^a$": false, "^[a-z][a-z]$": false, "a{1000}{1000}": false, "(": false, "^é|ß$": true, "a*": false, ".*": false,
	} {
		if got := textTests(pattern) != nil; got != plain {
			t.Errorf("%q: comparisons: %v, want %v", pattern, got, plain)
		}
	}
}

// TestTextTestsAreTheExpression compares them with Go's regular expressions.
func TestTextTestsAreTheExpression(t *testing.T) {
	t.Parallel()
	text := rapid.StringMatching(`[abé,]{0,5}`)
	many := 0
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{
			"a", "b", "ab", "é", "(a|b)", "(?:ab|b|a)", "[ab]", "a?", "(ba)?", ".*", "^", "$", "|", ",", "(^a|b$)", "(a|)", "[^a]", "b+",
		}), 1, 6).Draw(t, "parts")
		pattern := strings.Join(parts, "")
		tests := textTests(pattern)
		if tests == nil {
			return
		}
		many++
		for range 20 {
			s := text.Draw(t, "text")
			if got, want := holds(tests, s), regexp.MustCompile(pattern).MatchString(s); got != want {
				t.Fatalf("%q of %q: %v, want %v", pattern, s, got, want)
			}
		}
	})
	if many == 0 {
		t.Error("no expression became comparisons")
	}
}
