package translate

import (
	"regexp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestOtherThan holds that the expression matches every text but those, and compiles within RE2's bounds for long ones.
func TestOtherThan(t *testing.T) {
	t.Parallel()
	letters := rapid.StringOfN(rapid.SampledFrom([]rune("ab.[]^-\\é")), 0, 4, -1)
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(letters, 1, 5).Draw(t, "texts")
		candidate := letters.Draw(t, "candidate")
		re, err := regexp.Compile("^(?:" + otherThan(texts) + ")$")
		if err != nil {
			t.Fatal(err)
		}
		if got, want := re.MatchString(candidate), !slices.Contains(texts, candidate); got != want {
			t.Errorf("%q other than %q: %v, want %v (%s)", candidate, texts, got, want, re)
		}
	})
}
