package edit_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/config/edit"
)

// author writes documents as people do: blocks and brackets, three kinds of quotes, comments and blank lines where they like.
type author struct {
	*rand.Rand
	comments int
}

func (a *author) comment() string {
	a.comments++
	return fmt.Sprintf("# %d.", a.comments)
}

// behind ends a line, maybe with a comment.
func (a *author) behind() string {
	if a.IntN(4) == 0 {
		return "  " + a.comment() + "\n"
	}
	return "\n"
}

// above are lines before another.
func (a *author) above(indent string) string {
	switch a.IntN(6) {
	case 0:
		return indent + a.comment() + "\n"
	case 1:
		return "\n"
	}
	return ""
}

func (a *author) scalar() string {
	return []string{"word", "two words", `"in: quotes"`, "'it''s'", "12", "true", "a-b/c", `"\u00e9 # no comment"`, "é ü"}[a.IntN(9)]
}

func (a *author) brackets(depth int) string {
	if depth == 0 || a.IntN(2) == 0 {
		return a.scalar()
	}
	var parts []string
	if a.IntN(2) == 0 {
		for range a.IntN(3) {
			parts = append(parts, a.brackets(depth-1))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	for i := range a.IntN(3) {
		parts = append(parts, fmt.Sprintf("k%d: %s", i, a.brackets(depth-1)))
	}
	return "{ " + strings.Join(parts, " , ") + " }"
}

// field writes what stands behind a colon or dash, up to the end of its line or lines.
func (a *author) field(depth int, indent string) string {
	choice := a.IntN(6)
	if depth == 0 {
		choice = a.IntN(4)
	}
	switch choice {
	case 0, 1:
		return " " + a.brackets(2) + a.behind()
	case 2:
		return " " + a.scalar() + a.behind()
	case 3:
		return " |" + a.behind() + indent + "  lines # of text\n\n" + indent + "   and more\n"
	case 4:
		return a.behind() + a.mapping(depth-1, indent+"  ", indent+"  ")
	}
	text := a.behind()
	for range 1 + a.IntN(3) {
		text += a.above(indent) + indent + "-"
		if a.IntN(2) == 0 {
			text += " " + a.mapping(depth-1, "", indent+"  ")
		} else {
			text += a.field(0, indent)
		}
	}
	return text
}

func (a *author) mapping(depth int, first, indent string) string {
	text := ""
	for i := range 1 + a.IntN(4) {
		if i > 0 {
			first = indent
			text += a.above(indent)
		}
		text += first + "k" + strconv.Itoa(i) + ":" + a.field(depth, indent)
	}
	return text
}

// paths returns the paths of all values of a tree.
func paths(v any, to []edit.Step) (all [][]edit.Step) {
	if len(to) > 0 {
		all = append(all, to)
	}
	next := func(s edit.Step) []edit.Step { return append(slices.Clip(to), s) }
	switch v := v.(type) {
	case map[string]any:
		for i := range 6 {
			if inner, ok := v["k"+strconv.Itoa(i)]; ok {
				all = append(all, paths(inner, next(edit.Step{Name: "k" + strconv.Itoa(i)}))...)
			}
		}
	case []any:
		for i, item := range v {
			all = append(all, paths(item, next(edit.Step{Key: strconv.Itoa(i)}))...)
		}
	}
	return all
}

// replaced returns a tree with a value at the end of a path, or without that.
func replaced(v any, path []edit.Step, value any, remove bool) any {
	if len(path) == 0 {
		return value
	}
	if m, ok := v.(map[string]any); ok || v == nil {
		out := map[string]any{}
		maps.Copy(out, m)
		if remove && len(path) == 1 {
			delete(out, path[0].Name)
		} else {
			out[path[0].Name] = replaced(m[path[0].Name], path[1:], value, remove)
		}
		return out
	}
	list := v.([]any)
	out := append([]any{}, list...)
	i, _ := strconv.Atoi(path[0].Key)
	if remove && len(path) == 1 {
		return append(out[:i], out[i+1:]...)
	}
	out[i] = replaced(list[i], path[1:], value, remove)
	return out
}

func read(t *rapid.T, text string) any {
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return v
}

// TestEditsAreExact sets, adds and removes values anywhere in documents. The outcome holds exactly that, and of the comments those
// outside of what was written or removed.
func TestEditsAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := &author{Rand: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "text"), 0))}
		text := a.above("") + a.mapping(3, "", "")
		before := read(t, text)
		path := rapid.SampledFrom(paths(before, nil)).Draw(t, "path")
		what := rapid.SampledFrom([]string{"set", "add", "remove"}).Draw(t, "what")
		value := rapid.SampledFrom([]string{
			"new", `"a: b"`, "[1, {x: y}]", "{a: 1, b: [c]}", "a:\n  b: c\n", "- a\n- b: c\n", "|\n  one\n  two\n", "{}", "[]", "7", "{k0: 1, k1: {k0: 2}}",
		}).Draw(t, "value")
		var want any
		var got []byte
		var err error
		switch what {
		case "add":
			if path[len(path)-1].Name == "" {
				path = path[:len(path)-1]
			}
			if len(path) == 0 || path[len(path)-1].Name == "" {
				return
			}
			path = append(path[:len(path)-1:len(path)-1], edit.Step{Name: "new"})
			want = replaced(before, path, read(t, value), false)
			got, err = edit.Set([]byte(text), path, value)
		case "set":
			want = replaced(before, path, read(t, value), false)
			got, err = edit.Set([]byte(text), path, value)
		default:
			want = replaced(before, path, nil, true)
			got, err = edit.Remove([]byte(text), path)
		}
		if err != nil {
			t.Fatalf("%s %v %s: %v\n%s", what, path, value, err, text)
		}
		if after := read(t, string(got)); !reflect.DeepEqual(want, after) {
			t.Fatalf("%s %v %s: want %v, got %v\n%s\n%s", what, path, value, want, after, text, got)
		}
		if what != "add" {
			return
		}
		for i := range a.comments {
			if comment := fmt.Sprintf("# %d.\n", i+1); strings.Count(string(got)+"\n", comment) != 1 {
				t.Fatalf("%s %v %s: %s is gone\n%s\n%s", what, path, value, comment, text, got)
			}
		}
	})
}
