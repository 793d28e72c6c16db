package gateway

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// Limits of a path pattern.
const (
	maxPathLength  = 2048
	maxRegexLength = 1024
	maxRegexSize   = 1000 // Instructions of the compiled program: repetitions count as often as they may repeat.
)

// Path is a pattern for the path of a request, without its query: a template of segments ("/payments/{id}/lines"), open at
// its end where it closes with "/**", or a regular expression below literal segments. The zero value matches only "/".
type Path struct {
	Segments []Segment
	Prefix   bool   // Ends in "/**": matches what stands before it, and everything below that.
	Regex    string // RE2; it begins with a slash, and must match all that comes after Segments. Prefix is false then.
}

// Segment is what stands between two slashes: literal text, or Name, a parameter with literal text around it.
type Segment struct {
	Before string // The whole segment where Name is empty.
	Name   string
	After  string
}

// ParsePath reads a template. "{name}" stands for one non-empty segment or part of a segment, a final "/**" for anything
// below. The error says what to write instead.
func ParsePath(text string) (Path, error) {
	if len(text) > maxPathLength {
		return Path{}, fmt.Errorf("the path has %d characters, at most %d are allowed", len(text), maxPathLength)
	}
	if !strings.HasPrefix(text, "/") {
		return Path{}, fmt.Errorf("the path %q must begin with a slash", text)
	}
	if i := strings.IndexAny(text, "?#"); i >= 0 {
		return Path{}, fmt.Errorf("the path %q must not hold %q: conditions on the query are written under query", text, text[i:i+1])
	}
	var p Path
	rest := text[1:]
	if rest == "**" || strings.HasSuffix(rest, "/**") {
		p.Prefix = true
		rest = strings.TrimSuffix(strings.TrimSuffix(rest, "**"), "/")
	}
	if rest == "" {
		return p, nil
	}
	names := map[string]bool{}
	parts := strings.Split(rest, "/")
	for i, part := range parts {
		if part == "" && i < len(parts)-1 {
			return Path{}, fmt.Errorf("the path %q has an empty segment: write a single slash", text)
		}
		s, err := parseSegment(part)
		if err != nil {
			return Path{}, fmt.Errorf("the path %q: %w", text, err)
		}
		if s.Name != "" && names[s.Name] {
			return Path{}, fmt.Errorf("the path %q names the parameter {%s} twice", text, s.Name)
		}
		names[s.Name] = true
		p.Segments = append(p.Segments, s)
	}
	return p, nil
}

func parseSegment(part string) (Segment, error) {
	if part == "." || part == ".." {
		return Segment{}, fmt.Errorf("a segment %q never arrives, as paths are normalised", part)
	}
	if strings.Contains(part, "*") {
		return Segment{}, errors.New(`"*" is not a pattern: write {name} for one segment, or end the path in /** for everything below`)
	}
	for i := range len(part) {
		if c := part[i]; c <= ' ' || c == '\\' || c >= 0x7f {
			return Segment{}, fmt.Errorf("the character %q must be percent-encoded", c)
		}
	}
	before, rest, found := strings.Cut(part, "{")
	if !found {
		if strings.Contains(part, "}") {
			return Segment{}, errors.New(`"}" without "{"`)
		}
		return Segment{Before: part}, nil
	}
	name, after, found := strings.Cut(rest, "}")
	switch {
	case !found:
		return Segment{}, errors.New(`"{" without "}"`)
	case strings.ContainsAny(after, "{}"), strings.Contains(name, "{"), strings.Contains(before, "}"):
		return Segment{}, errors.New("one segment can hold one parameter")
	case !validName(name):
		return Segment{}, fmt.Errorf("the parameter {%s} must be named by letters, digits, '_', '-' and '.'", name)
	}
	return Segment{Before: before, Name: name, After: after}, nil
}

func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return s != ""
}

// ParseRegexPath reads a regular expression (RE2) that must match the whole path. Whatever it matches must begin with a
// slash, so that below a base it matches nothing but what stands below that base.
func ParseRegexPath(text string) (Path, error) {
	if err := CheckPattern(text); err != nil {
		return Path{}, err
	}
	if re, err := regexp.Compile(text); err != nil {
		return Path{}, fmt.Errorf("the regular expression cannot be read: %w", err)
	} else if literal, _ := re.LiteralPrefix(); !strings.HasPrefix(literal, "/") {
		return Path{}, fmt.Errorf("the regular expression %q must begin with a slash, as every path does", text)
	}
	return Path{Regex: text}, nil
}

// programSize returns how many instructions a regular expression compiles to.
func programSize(text string) (int, error) {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return 0, err
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 0, err
	}
	return len(program.Inst), nil
}

// Join puts the path below a base ("/payments" or ""). A path "/" is the base itself.
func (p Path) Join(base string) Path {
	if base == "" || base == "/" {
		return p
	}
	joined := Path{Prefix: p.Prefix, Regex: p.Regex}
	for part := range strings.SplitSeq(strings.Trim(base, "/"), "/") {
		joined.Segments = append(joined.Segments, Segment{Before: part})
	}
	joined.Segments = append(joined.Segments, p.Segments...)
	return joined
}

// String returns the template as it would be written, or the regular expression after "~".
func (p Path) String() string {
	if p.Regex != "" {
		return "~" + p.Expression()
	}
	return p.text(func(s Segment) string { return "{" + s.Name + "}" })
}

// Shape returns the template without the names of its parameters: two paths of one shape match the same requests.
func (p Path) Shape() string {
	if p.Regex != "" {
		return "~" + p.Expression()
	}
	return p.text(func(Segment) string { return "{}" })
}

func (p Path) text(param func(Segment) string) string {
	var b strings.Builder
	for _, s := range p.Segments {
		b.WriteString("/" + s.Before)
		if s.Name != "" {
			b.WriteString(param(s) + s.After)
		}
	}
	if p.Prefix {
		b.WriteString("/**")
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

// Exact reports whether the path is one literal text.
func (p Path) Exact() bool { return p.Regex == "" && !p.Prefix && p.leading() == len(p.Segments) }

// Literal returns the segments before the first parameter, as a prefix of whole segments: "/payments" for
// "/payments/{id}" and "/payments/**", "" for "/{id}". For a regular expression it is the base.
func (p Path) Literal() string {
	var b strings.Builder
	for _, s := range p.Segments[:p.leading()] {
		b.WriteString("/" + s.Before)
	}
	return b.String()
}

// leading counts the literal segments before the first parameter.
func (p Path) leading() int {
	for i, s := range p.Segments {
		if s.Name != "" {
			return i
		}
	}
	return len(p.Segments)
}

// Expression returns a regular expression (RE2) that matches exactly the paths the pattern matches, whole.
func (p Path) Expression() string {
	if p.Regex != "" && len(p.Segments) == 0 {
		return p.Regex
	}
	var b strings.Builder
	for _, s := range p.Segments {
		b.WriteString("/" + regexp.QuoteMeta(s.Before))
		if s.Name != "" {
			b.WriteString("[^/]+" + regexp.QuoteMeta(s.After))
		}
	}
	switch {
	case p.Regex != "":
		b.WriteString("(?:" + p.Regex + ")")
	case p.Prefix:
		b.WriteString("(?:/.*)?")
	case b.Len() == 0:
		b.WriteString("/")
	}
	return b.String()
}

// Matches reports whether the pattern matches a path (without query). Envoy decides for real requests; this is for
// explain, for tests, and for the path parameters of a Check. A regular expression that cannot be read matches nothing.
func (p Path) Matches(path string) bool {
	if p.Regex != "" {
		re, err := regexp.Compile("^(?:" + p.Expression() + ")$")
		return err == nil && re.MatchString(path)
	}
	_, ok := p.Parameters(path)
	return ok
}

// Parameters splits a path (without query) by the template. ok is false where the path does not match.
func (p Path) Parameters(path string) (params map[string]string, ok bool) {
	if p.Regex != "" {
		return nil, p.Matches(path)
	}
	if !strings.HasPrefix(path, "/") {
		return nil, false
	}
	rest, more := path[1:], true
	for _, s := range p.Segments {
		if !more {
			return nil, false
		}
		var part string
		part, rest, more = strings.Cut(rest, "/")
		if s.Name == "" {
			if part != s.Before {
				return nil, false
			}
			continue
		}
		value, isBefore := strings.CutPrefix(part, s.Before)
		value, isAfter := strings.CutSuffix(value, s.After)
		if !isBefore || !isAfter || value == "" {
			return nil, false
		}
		if params == nil {
			params = make(map[string]string, 2)
		}
		params[s.Name] = value
	}
	if len(p.Segments) == 0 {
		return params, p.Prefix || rest == ""
	}
	return params, p.Prefix || !more
}
