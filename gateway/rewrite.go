package gateway

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Rewrite says what the upstream is asked for in place of the path below the base, and of the host that the client asked for.
type Rewrite struct {
	// Path is made of the parameters of the operation's path; one that ends in "/**" keeps what stands there. nil: the path below
	// the base.
	Path *Path `json:",omitempty"`
	// Below says that Path takes the place of the base alone, whatever the operation's path is.
	Below bool   `json:",omitempty"`
	Host  string `json:",omitempty"`
}

// maxParts is how many parts of a path RE2 can put into another: \1 to \9.
const maxParts = 9

// madeOf reports why a path cannot be made of what one like from has, or nothing.
func (p *Path) madeOf(from Path) error {
	names := from.parts()
	if len(names) > maxParts {
		return fmt.Errorf("the path %s has more than %d parts, of which a new path can be made: ask for fewer", from, maxParts)
	}
	for _, s := range p.Segments {
		if s.Name != "" && !slices.Contains(names, s.Name) && !from.numbered(s.Name) {
			return fmt.Errorf("the path %s has no {%s}: write a name that stands there%s", from, s.Name, hinted(names))
		}
	}
	if p.Prefix && !from.Prefix {
		return fmt.Errorf("the path %s ends before any /**, so that there is no rest to keep: write the new path without /**, or without prefix", from)
	}
	return nil
}

func hinted(names []string) string {
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "" })
	if len(names) == 0 {
		return ""
	}
	return ", such as {" + names[0] + "}"
}

// parts returns the names of what a path has, in order: its parameters, or the groups of its expression, empty where they have none.
func (p Path) parts() []string {
	if p.Regex != "" {
		re, err := regexp.Compile(p.Regex)
		if err != nil {
			return nil
		}
		return re.SubexpNames()[1:]
	}
	var names []string
	for _, s := range p.Segments {
		if s.Name != "" {
			names = append(names, s.Name)
		}
	}
	if p.Prefix {
		names = append(names, "")
	}
	return names
}

// numbered reports the number of a group of a path's expression.
func (p Path) numbered(name string) bool {
	n, err := strconv.Atoi(name)
	return p.Regex != "" && err == nil && n >= 1 && n <= len(p.parts())
}

// PathChange is a regular expression (RE2) that matches every path of a route whole, and what it becomes: text in which \1 stands
// for the first group.
type PathChange struct{ Pattern, With string }

// Substitute returns how a path like from, base and all, becomes one like p. It was found to be made of it.
func (p *Path) Substitute(from Path) PathChange {
	names := from.parts()
	number := func(name string) string {
		if i := slices.Index(names, name); i >= 0 {
			return `\` + strconv.Itoa(i+1)
		}
		return `\` + name
	}
	var with strings.Builder
	for _, s := range p.Segments {
		with.WriteString("/" + s.Before)
		if s.Name != "" {
			with.WriteString(number(s.Name) + s.After)
		}
	}
	rest := "(.*)"
	switch {
	case p.Prefix && with.Len() == 0:
		rest = "/?(.*)"
		with.WriteString("/" + number(""))
	case p.Prefix:
		with.WriteString(number(""))
	case with.Len() == 0:
		with.WriteString("/")
	}
	return PathChange{Pattern: "^" + from.grouped(rest) + "$", With: with.String()}
}

// grouped returns the expression of a path with a group around each of its parts.
func (p Path) grouped(rest string) string {
	var b strings.Builder
	for _, s := range p.Segments {
		b.WriteString("/" + regexp.QuoteMeta(s.Before))
		if s.Name != "" {
			b.WriteString("([^/]+)" + regexp.QuoteMeta(s.After))
		}
	}
	switch {
	case p.Regex != "":
		b.WriteString("(?:" + p.Regex + ")")
	case p.Prefix:
		b.WriteString(rest)
	case b.Len() == 0:
		b.WriteString("/")
	}
	return b.String()
}

// NewPath returns what becomes of the paths of a route on their way to the upstream; ok is false where they stay. The base is taken
// off in any case: an upstream sees the paths of its contract.
func (r *Route) NewPath() (s PathChange, ok bool) {
	base := strings.TrimSuffix(r.Base, "/")
	w := r.Rewrite
	switch {
	case w != nil && w.Path != nil && w.Below:
		front := strings.TrimSuffix(strings.TrimSuffix(w.Path.String(), "**"), "/")
		return PathChange{Pattern: "^" + regexp.QuoteMeta(base) + "/?(.*)$", With: front + `/\1`}, true
	case w != nil && w.Path != nil:
		return w.Path.Substitute(r.Match.Path), true
	case base != "":
		return PathChange{Pattern: "^" + regexp.QuoteMeta(base) + "/?", With: "/"}, true
	}
	return PathChange{}, false
}

// Of returns what becomes of a path (without query).
func (s PathChange) Of(path string) string {
	re, err := regexp.Compile(s.Pattern)
	if err != nil {
		return path
	}
	found := re.FindStringSubmatchIndex(path)
	if found == nil {
		return path
	}
	return path[:found[0]] + string(re.ExpandString(nil, goTemplate(s.With), path, found)) + path[found[1]:]
}

// goTemplate writes \1 as package regexp does.
func goTemplate(with string) string {
	var b strings.Builder
	for i := 0; i < len(with); i++ {
		switch {
		case with[i] == '$':
			b.WriteString("$$")
		case with[i] == '\\' && i+1 < len(with):
			i++
			b.WriteString("${" + with[i:i+1] + "}")
		default:
			b.WriteByte(with[i])
		}
	}
	return b.String()
}

// CutsSegments reports whether the new path may hold parts of segments of the path that was asked for: what is harmless as a part
// of one, such as two dots, could then become a segment of its own, and lead out of where the upstream was to be asked.
func (r *Route) CutsSegments() bool {
	w := r.Rewrite
	return w != nil && w.Path != nil && !w.Below && (r.Match.Path.Regex != "" ||
		slices.ContainsFunc(r.Match.Path.Segments, func(s Segment) bool { return s.Name != "" && s.Before+s.After != "" }))
}
