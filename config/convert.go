package config

import (
	"fmt"
	"strings"
)

// itemField is the path of a field of an item of a list.
func itemField(list string, i int, name string) string {
	return join(fmt.Sprintf("%s[%d]", list, i), name)
}

// oneOf joins words to a choice: "a, b or c".
func oneOf(words []string) string {
	i := len(words) - 1
	if i < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:i], ", ") + " or " + words[i]
}

func each[A, B any](list []A, f func(A) B) []B {
	if list == nil {
		return nil
	}
	out := make([]B, len(list))
	for i, v := range list {
		out[i] = f(v)
	}
	return out
}

func texts[T ~string](list []T) []string {
	return each(list, func(v T) string { return string(v) })
}

// or returns a text, or another where it is empty.
func or[T ~string](v, standard T) T {
	if v == "" {
		return standard
	}
	return v
}

// value returns what a pointer points to, or another value where it is nil.
func value[T any](p *T, standard T) T {
	if p == nil {
		return standard
	}
	return *p
}
