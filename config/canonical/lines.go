package canonical

import (
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// Bounds of what is shown of a text that changes.
const (
	maxHunks     = 20
	maxHunkLines = 40
	maxTable     = 4_000_000 // Entries of the table by which lines are matched.
)

// lines compares two texts line by line: each run of lines that differ is a change of its own, at its place.
func (c *comparison) lines(path string, before, after at) {
	old, now := split(before.value.Text), split(after.value.Text)
	hunks := differences(old, now)
	if len(hunks) == 0 {
		c.both(path, ending(before.value.Text), ending(after.value.Text), after.position())
	}
	for i, h := range hunks {
		place := after.position()
		if after.place != nil {
			place.Line += h.now
		}
		change := gateway.FieldChange{
			Kind: gateway.Changed, Field: path, Place: place,
			Before: some(old[h.old : h.old+h.removed]), After: some(now[h.now : h.now+h.added]),
		}
		switch {
		case h.removed == 0:
			change.Kind = gateway.Added
		case h.added == 0:
			change.Kind = gateway.Deleted
			if before.place != nil {
				change.Place = before.position()
				change.Place.Line += h.old
			}
		}
		c.changes = append(c.changes, change)
		if i == maxHunks-1 && len(hunks) > maxHunks {
			return
		}
	}
}

// ending says how a text ends that has the same lines as another.
func ending(text string) string {
	if strings.HasSuffix(text, "\n") {
		return "(a line break at the end)"
	}
	return "(no line break at the end)"
}

func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// some joins lines to what is shown of them.
func some(lines []string) string {
	more := ""
	if len(lines) > maxHunkLines {
		lines, more = lines[:maxHunkLines], "\n..."
	}
	return bounded(strings.Join(lines, "\n") + more)
}

// hunk is a run of lines that differ: so many removed from a position of the old text, so many added at one of the new.
type hunk struct{ old, now, removed, added int }

// differences returns the runs in which two texts differ, by a longest common subsequence of their lines. Of texts too long for
// that, all between what they begin and end with alike is one run.
func differences(old, now []string) []hunk {
	start := 0
	for start < len(old) && start < len(now) && old[start] == now[start] {
		start++
	}
	end := 0
	for end < len(old)-start && end < len(now)-start && old[len(old)-1-end] == now[len(now)-1-end] {
		end++
	}
	b, a := old[start:len(old)-end], now[start:len(now)-end]
	switch {
	case len(b)+len(a) == 0:
		return nil
	case len(b)*len(a) == 0 || len(b)*len(a) > maxTable:
		return []hunk{{old: start, now: start, removed: len(b), added: len(a)}}
	}
	common := table(b, a)
	var out []hunk
	for i, j := 0, 0; i < len(b) || j < len(a); {
		if i < len(b) && j < len(a) && b[i] == a[j] {
			i, j = i+1, j+1
			continue
		}
		h := hunk{old: start + i, now: start + j}
		for (i < len(b) || j < len(a)) && (i == len(b) || j == len(a) || b[i] != a[j]) {
			if j == len(a) || i < len(b) && common[i+1][j] >= common[i][j+1] {
				i++
				h.removed++
			} else {
				j++
				h.added++
			}
		}
		out = append(out, h)
	}
	return out
}

// table returns how many lines the texts from each pair of lines on have in common.
func table(b, a []string) [][]int32 {
	common := make([][]int32, len(b)+1)
	for i := range common {
		common[i] = make([]int32, len(a)+1)
	}
	for i, line := range slices.Backward(b) {
		for j, other := range slices.Backward(a) {
			if line == other {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	return common
}
