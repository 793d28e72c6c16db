package translate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// otherThan returns a regular expression (RE2) for every text that is none of some. Envoy compares the values of a header that
// comes several times one by one, and is content with one that matches: that all of them do can only be said as that none is
// another.
func otherThan(texts []string) string {
	return "(?s:" + unlike(slices.Compact(slices.Sorted(slices.Values(texts)))) + ")"
}

// unlike returns the alternatives of otherThan for sorted texts: to end where none of them ends, to go on where none goes on, or
// to go on with a letter of some, and from there to be unlike their rests.
func unlike(texts []string) string {
	var alternatives []string
	rests := map[rune][]string{}
	var letters []rune
	ends := false
	for _, t := range texts {
		if t == "" {
			ends = true
			continue
		}
		letter := []rune(t)[0]
		if rests[letter] == nil {
			letters = append(letters, letter)
		}
		rests[letter] = append(rests[letter], strings.TrimPrefix(t, string(letter)))
	}
	if !ends {
		alternatives = append(alternatives, "")
	}
	if len(letters) == 0 {
		alternatives = append(alternatives, ".+")
	} else {
		var class strings.Builder
		for _, letter := range letters {
			fmt.Fprintf(&class, `\x{%x}`, letter)
		}
		alternatives = append(alternatives, "[^"+class.String()+"].*")
	}
	for _, letter := range letters {
		alternatives = append(alternatives, regexp.QuoteMeta(string(letter))+"(?:"+unlike(rests[letter])+")")
	}
	return strings.Join(alternatives, "|")
}
