package gateway

import (
	"cmp"
	"slices"
)

// Page is a body in place of the problem document that an answer of a status would have.
type Page struct {
	Status   string // "404", or a class of them: "5xx".
	Type     string // Media type.
	Body     string // Its bytes.
	Upstream bool   `json:",omitempty"` // Also in place of the upstream's own bodies.
}

// ComparePages orders pages as they are tried: single statuses before classes.
func ComparePages(a, b Page) int {
	class := func(p Page) int {
		if p.Status[1:] == "xx" {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(class(a), class(b)), cmp.Compare(a.Status, b.Status))
}

// pagesOver returns an API's pages over those of the Gateway; nil where the API has none, as the Gateway's hold everywhere.
func pagesOver(api, wider []Page) []Page {
	if len(api) == 0 {
		return nil
	}
	out := slices.Clone(api)
	for _, p := range wider {
		if !slices.ContainsFunc(api, func(own Page) bool { return own.Status == p.Status }) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, ComparePages)
	return out
}
