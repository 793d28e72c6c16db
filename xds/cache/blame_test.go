package cache

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBlame(t *testing.T) {
	for name, test := range map[string]struct {
		refusers, nodes int
		acknowledged    bool
		want            Blame
	}{
		"the only node":                 {1, 1, false, BlameResource},
		"the only node, gone meanwhile": {1, 0, false, BlameResource},
		"one of two":                    {1, 2, false, BlameOpen},
		"one of many":                   {1, 300, false, BlameOpen},
		"a second one":                  {2, 300, false, BlameResource},
		"all":                           {5, 5, false, BlameResource},
		"one, and another has it":       {1, 2, true, BlameNode},
		"many, and another has it":      {7, 8, true, BlameNode},
		"the only node that is left had it before": {1, 1, true, BlameNode},
		"nobody any more":                          {0, 3, false, BlameOpen},
	} {
		if got := blame(test.refusers, test.nodes, test.acknowledged); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestStateOfANodeThatRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		blames []Blame
		want   State
	}{
		"suspects only":   {nil, StateRefused},
		"its own":         {[]Blame{BlameNode, BlameNode}, StateRefusedLocal},
		"the resource's":  {[]Blame{BlameNode, BlameResource}, StateRefused},
		"nobody knows it": {[]Blame{BlameOpen}, StateRefused},
	} {
		if got := stateOfRefusing(test.blames); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestBookIsBounded(t *testing.T) {
	b, start := newBook(), time.Unix(1_800_000_000, 0)
	for i := range keptVerdicts + 10 {
		c := charge{"1.40.0", secrets, fmt.Sprint(i), "1"}
		b.refused(c, identity{"edge", "n"}, nil, "no", start.Add(time.Duration(i)*time.Second), false)
	}
	if len(b.entries) != keptVerdicts || b.entries[charge{"1.40.0", secrets, "0", "1"}] != nil {
		t.Errorf("%d entries, or the oldest is still there", len(b.entries))
	}
	c := charge{"1.40.0", secrets, "popular", "1"}
	for i := range keptRefusers + 10 {
		b.refused(c, identity{"edge", fmt.Sprint(i)}, nil, "no", start.Add(time.Hour), false)
	}
	if got := len(b.entries[c].refusers); got != keptRefusers {
		t.Errorf("%d nodes are named", got)
	}
	b.expire(start.Add(time.Hour))
	if len(b.entries) != 1 {
		t.Errorf("%d entries are left after the others expired", len(b.entries))
	}
}

func TestWhatTwoRefusedIsBarredUntilOneAcceptsIt(t *testing.T) {
	b, now := newBook(), time.Unix(1_800_000_000, 0)
	c := charge{"1.40.0", secrets, "s", "1"}
	expect := func(when string, want bool) {
		t.Helper()
		if got := b.bars(c); got != want {
			t.Errorf("%s: barred is %t", when, got)
		}
	}
	b.refused(c, identity{"edge", "1"}, nil, "no", now, false)
	expect("one refused it", false)
	b.refused(c, identity{"edge", "2"}, nil, "no", now, false)
	expect("two refused it", true)
	if b.bars(charge{"1.39.0", secrets, "s", "1"}) || b.bars(charge{"1.40.0", secrets, "s", "2"}) {
		t.Error("another Envoy version or content is barred too")
	}
	b.forget(identity{"edge", "2"})
	expect("one of them is to try again", false)
	b.refused(c, identity{"edge", "2"}, nil, "no", now, false)
	b.accepted("1.40.0", secrets, map[string]*Resource{"s": {Version: "1"}})
	expect("a third has it", false)
	got := b.verdicts(map[crew]int{{"edge", "1.40.0"}: 3})
	want := []Verdict{{
		Type: TypeSecret, Name: "s", Version: "1", Text: "no", Fleet: "edge", Envoy: "1.40.0", Nodes: []string{"1", "2"},
		Time: now, Acknowledged: true, Blame: BlameNode,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
