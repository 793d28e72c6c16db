package main

import (
	"slices"

	"github.com/gatehouse/gatehouse/gateway"
)

// lineChange is a line of a text, and what becomes of it; kind is "" where it stays.
type lineChange struct {
	kind gateway.ChangeKind
	text string
}

// maxLineTable bounds the work of comparing two texts exactly, in pairs of lines.
const maxLineTable = 4 << 20

// lineChanges returns the lines of two texts by a longest common subsequence: as few as possible are deleted and added. Of
// texts that are too long for that, what lies between the first and the last difference is told as a whole.
func lineChanges(before, after []string) []lineChange {
	var head, tail []lineChange
	for len(before) > 0 && len(after) > 0 && before[0] == after[0] {
		head = append(head, lineChange{text: before[0]})
		before, after = before[1:], after[1:]
	}
	for len(before) > 0 && len(after) > 0 && before[len(before)-1] == after[len(after)-1] {
		tail = append(tail, lineChange{text: before[len(before)-1]})
		before, after = before[:len(before)-1], after[:len(after)-1]
	}
	out := append(head, middle(before, after)...)
	for _, l := range slices.Backward(tail) {
		out = append(out, l)
	}
	return out
}

func middle(before, after []string) []lineChange {
	var out []lineChange
	if len(before)*len(after) > maxLineTable {
		for _, l := range before {
			out = append(out, lineChange{gateway.Deleted, l})
		}
		for _, l := range after {
			out = append(out, lineChange{gateway.Added, l})
		}
		return out
	}
	// common[i][j] is how many lines before[i:] and after[j:] have in common.
	common := make([][]int, len(before)+1)
	for i := range common {
		common[i] = make([]int, len(after)+1)
	}
	for i, b := range slices.Backward(before) {
		for j, a := range slices.Backward(after) {
			if b == a {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(before) || j < len(after) {
		switch {
		case i < len(before) && j < len(after) && before[i] == after[j]:
			out = append(out, lineChange{text: before[i]})
			i, j = i+1, j+1
		case j == len(after) || (i < len(before) && common[i+1][j] >= common[i][j+1]):
			out = append(out, lineChange{gateway.Deleted, before[i]})
			i++
		default:
			out = append(out, lineChange{gateway.Added, after[j]})
			j++
		}
	}
	return out
}
