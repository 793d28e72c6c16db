package authz

import (
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
)

// What several allowing policies say is put together in this order: of one side, the Gateway's policies or the API's, the
// later counts over the earlier; and what the Gateway's say of a header, a query parameter or a key of dynamic metadata
// counts over what the API's say of it, whichever is asked first.

// and adds what a further policy of the same side says to an allowing decision.
func (d *decision) and(more *decision) *decision {
	if d == nil {
		return more
	}
	if more == nil {
		return d
	}
	return more.over(d)
}

// over returns this allowing decision made over another: of each name that both change, this one's word counts. Neither is
// nil, and neither is to be used after that.
func (d *decision) over(under *decision) *decision {
	requests := changed(strings.ToLower, d.headers, d.removeHeaders)
	responses := changed(strings.ToLower, d.responseHeaders, nil)
	queries := changed(spelt, d.setQuery, d.removeQuery)
	metadata := under.metadata
	if metadata == nil {
		metadata = map[string]*structpb.Value{}
	}
	maps.Copy(metadata, d.metadata)
	cost := under.cost
	if d.cost != nil {
		cost = d.cost
	}
	return &decision{
		result: d.result, reason: d.reason, cost: cost,
		appended:        append(without(requests, strings.ToLower, under.appended), d.appended...),
		headers:         append(without(requests, strings.ToLower, under.headers), d.headers...),
		removeHeaders:   append(withoutNames(requests, strings.ToLower, under.removeHeaders), d.removeHeaders...),
		responseHeaders: append(without(responses, strings.ToLower, under.responseHeaders), d.responseHeaders...),
		setQuery:        append(without(queries, spelt, under.setQuery), d.setQuery...),
		removeQuery:     append(withoutNames(queries, spelt, under.removeQuery), d.removeQuery...),
		metadata:        metadata,
	}
}

// spelt is how the name of a query parameter is compared: as it is.
func spelt(name string) string { return name }

// changed returns the names that a decision sets or removes, in one form.
func changed(form func(string) string, set []header, removed []string) map[string]bool {
	names := make(map[string]bool, len(set)+len(removed))
	for _, h := range set {
		names[form(h.name)] = true
	}
	for _, name := range removed {
		names[form(name)] = true
	}
	return names
}

func without(names map[string]bool, form func(string) string, list []header) []header {
	return slices.DeleteFunc(list, func(h header) bool { return names[form(h.name)] })
}

func withoutNames(names map[string]bool, form func(string) string, list []string) []string {
	return slices.DeleteFunc(list, func(name string) bool { return names[form(name)] })
}

// queryText returns the name or value of a query parameter as it can stand in a path: what would end the parameter, the query
// or the line of the request is escaped. Escapes that a policy wrote stay.
func queryText(text string, name bool) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if c <= ' ' || c >= 0x7f || c == '#' || c == '&' || c == '"' || c == '<' || c == '>' || name && c == '=' {
			b.WriteByte('%')
			b.WriteByte("0123456789ABCDEF"[c>>4])
			b.WriteByte("0123456789ABCDEF"[c&15])
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
