package descriptors_test

import (
	"strings"
	"testing"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/ratelimit/descriptors"
)

// TestLimitsAreFoundAsTheirs draws rules and descriptors: both find the same limit for each, and count it under the same name.
func TestLimitsAreFoundAsTheirs(t *testing.T) {
	o := newOracle(t)
	found := 0
	rapid.Check(t, func(rt *rapid.T) {
		w := &writer{t: rt}
		ours, ok := o.load(rt, []descriptors.File{fileOf("limits.yaml", w.file("bank"))}, false)
		if !ok {
			return // Two rules of one key and value.
		}
		for range 20 {
			d := &ratelimitcommonv3.RateLimitDescriptor{Entries: w.entries()}
			domain := rapid.SampledFrom([]string{"bank", "bank", "bank", "other"}).Draw(rt, "domain")
			want, _, wanted := o.find(rt, domain, d)
			got, has := ours.Find(domain, d)
			if wanted {
				found++
			}
			if strings.Contains(want.Series, "pa*") {
				got.Series, want.Series = "", "" // Theirs joins a key to the pattern of keys.
			}
			want.Series = strings.TrimSuffix(strings.ReplaceAll(want.Series+".", "_.", "."), ".") // Theirs leaves the "_" of an empty value.
			literal(d, &got, &want)
			if diff := cmp.Diff(want, got, protocmp.Transform()); has != wanted || diff != "" {
				rt.Fatalf("%v: envoyproxy/ratelimit finds %v, we find %v, (-theirs +ours):\n%s\nin:\n%s", d, wanted, has, diff, w.text.String())
			}
		}
	})
	if found == 0 {
		t.Errorf("no descriptor had a limit: the test tries too little")
	}
}

// literal leaves out of the comparison an entry whose value is a wildcard to the letter: theirs counts it with the wildcard's because the
// texts are equal, ours because it is the wildcard's rule.
func literal(d *ratelimitcommonv3.RateLimitDescriptor, got, want *descriptors.Found) {
	for i, e := range d.GetEntries() {
		if i < len(got.Shared) && i < len(want.Shared) && got.Shared[i] == e.GetValue() {
			want.Shared[i] = got.Shared[i]
		}
	}
	if len(got.Replaces) == 0 && len(want.Replaces) == 0 {
		got.Replaces, want.Replaces = nil, nil
	}
}

// TestFilesAreRefusedAsTheirs draws files with mistakes: what one takes the other takes.
func TestFilesAreRefusedAsTheirs(t *testing.T) {
	o := newOracle(t)
	taken, refused := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		var files []descriptors.File
		for i := range rapid.IntRange(1, 2).Draw(rt, "files") {
			w := &writer{t: rt, odd: true}
			files = append(files, fileOf([]string{"a.yaml", "b.yaml"}[i], w.file(w.one("domain", "bank", "bank", "shop", "5", ""))))
		}
		if _, ok := o.load(rt, files, rapid.Bool().Draw(rt, "merge")); ok {
			taken++
		} else {
			refused++
		}
	})
	if taken == 0 || refused == 0 {
		t.Errorf("%d files were taken and %d refused: the test tries too little", taken, refused)
	}
}
