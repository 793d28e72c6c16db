// Package suggest finds the word that somebody probably meant.
package suggest

import "github.com/agnivade/levenshtein"

// Nearest returns the candidate that differs least from word, and whether it is near enough to be offered: at most a
// third of the word's letters, and never fewer than one, may differ. Of equally near ones the first is returned.
func Nearest(word string, candidates []string) (string, bool) {
	best, distance := "", max(1, len(word)/3)+1
	for _, c := range candidates {
		if d := levenshtein.ComputeDistance(word, c); d < distance {
			best, distance = c, d
		}
	}
	return best, best != "" && best != word
}
