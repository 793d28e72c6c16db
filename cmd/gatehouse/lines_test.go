package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/gateway"
)

// sides returns the two texts that a comparison tells of.
func sides(all []lineChange) (before, after []string) {
	for _, l := range all {
		if l.kind != gateway.Added {
			before = append(before, l.text)
		}
		if l.kind != gateway.Deleted {
			after = append(after, l.text)
		}
	}
	return before, after
}

// TestLineChangesTellBothTexts checks on any two texts that nothing is lost and nothing made up.
func TestLineChangesTellBothTexts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", ""}), 0, 12)
		before, after := text.Draw(t, "before"), text.Draw(t, "after")
		gotBefore, gotAfter := sides(lineChanges(before, after))
		if !slices.Equal(before, gotBefore) || !slices.Equal(after, gotAfter) {
			t.Fatalf("%q and %q are told as %q and %q", before, after, gotBefore, gotAfter)
		}
	})
}

// TestLineChangesAreFew checks that what both texts have stays.
func TestLineChangesAreFew(t *testing.T) {
	t.Parallel()
	got := lineChanges(strings.Fields("a b c d e f"), strings.Fields("a c d x f"))
	want := []lineChange{
		{"", "a"}, {gateway.Deleted, "b"}, {"", "c"}, {"", "d"}, {gateway.Deleted, "e"}, {gateway.Added, "x"}, {"", "f"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(lineChange{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestLineChangesAreBounded compares two texts that have nothing in common and are too long to be compared exactly.
func TestLineChangesAreBounded(t *testing.T) {
	t.Parallel()
	before, after := slices.Repeat([]string{"a"}, 5000), slices.Repeat([]string{"b"}, 5000)
	if got := len(lineChanges(before, after)); got != 10_000 {
		t.Errorf("got %d lines", got)
	}
}
