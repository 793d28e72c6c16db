package cache

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	// maxText is how many bytes of Envoy's words a Refusal keeps.
	maxText = 2048
	// maxSuspects is how many resources of a refused response a Refusal lists.
	maxSuspects = 50
	// constraint stands in Envoy's words behind a dump of the whole resource (envoy-facts 10), which may hold private keys.
	constraint = "Proto constraint validation failed"
)

// Refusal is one response that an Envoy did not accept (NACK). Envoy seldom says which resource it means, so all that the
// response held are suspects.
type Refusal struct {
	Type     string // type URL
	Text     string // Envoy's words, without dumps of resources and without keys, at most 2 KiB
	Time     time.Time
	Suspects []Suspect // those that Envoy names first; at most 50
	Total    int       // how many resources the response held
}

// Suspect is one resource of a refused response.
type Suspect struct {
	Name    string
	Version string // "" where the response removed it
	Origin  string // file:line of the document; "" for a removal
	Named   bool   // Envoy's words contain the name
}

// newRefusal describes a response that was refused.
func newRefusal(r *reply, now time.Time) *Refusal {
	refusal := &Refusal{Type: r.kind.url(), Text: cleanText(r.text), Time: now, Total: len(r.sent)}
	suspects := make([]Suspect, 0, len(r.sent))
	for name, resource := range r.sent {
		s := Suspect{Name: name, Version: versionOf(resource), Named: strings.Contains(r.text, name)}
		if resource != nil {
			s.Origin = resource.Origin
		}
		suspects = append(suspects, s)
	}
	slices.SortFunc(suspects, func(a, b Suspect) int {
		if a.Named != b.Named {
			if a.Named {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	refusal.Suspects = slices.Clone(suspects[:min(len(suspects), maxSuspects)])
	return refusal
}

// Names returns the names of the suspects.
func (r *Refusal) Names() []string {
	names := make([]string, 0, len(r.Suspects))
	for _, s := range r.Suspects {
		names = append(names, s.Name)
	}
	return names
}

// Origins returns where the suspects come from, each place once.
func (r *Refusal) Origins() []string {
	var origins []string
	for _, s := range r.Suspects {
		if s.Origin != "" && !slices.Contains(origins, s.Origin) {
			origins = append(origins, s.Origin)
		}
	}
	return origins
}

// cleanText makes Envoy's words fit for a log: bounded, one line, no dump of a resource and no key.
func cleanText(text string) string {
	if i := strings.Index(text, constraint); i >= 0 {
		text = text[i:]
	}
	text = regexp.MustCompile(`(?s)-----BEGIN .*?(-----END [^-]*-----|$)`).ReplaceAllString(text, "[redacted]")
	text = strings.Join(strings.Fields(text), " ")
	return strings.ToValidUTF8(text[:min(len(text), maxText)], "")
}
