package authz

import (
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// hidden are the places of a route's keys, which no upstream sees, whichever way the caller took.
type hidden struct {
	headers          []string
	queries, cookies []string
}

func hiddenOf(ways []gateway.Way) *hidden {
	h := &hidden{}
	for _, way := range ways {
		for _, p := range way {
			switch {
			case p.Key == nil:
			case p.Key.Header != "":
				h.headers = append(h.headers, p.Key.Header)
			case p.Key.Query != "":
				h.queries = append(h.queries, p.Key.Query)
			default:
				h.cookies = append(h.cookies, p.Key.Cookie)
			}
		}
	}
	slices.Sort(h.headers)
	h.headers = slices.Compact(h.headers)
	return h
}

// apply returns an allowing decision that takes the keys off the request. What a policy says of the same names counts: it may put
// another credential in the place of the caller's. nil stays nil where only headers are to be hidden and no limits are spent: the
// answer that is made once for the route takes them off.
func (h *hidden) apply(r *request, d *decision) *decision {
	if h == nil || len(h.headers)+len(h.queries)+len(h.cookies) == 0 {
		return d
	}
	take := &decision{removeHeaders: slices.Clone(h.headers), removeQuery: h.query(r)}
	if rest, found := h.cookie(r.header("cookie")); found && rest == "" {
		take.removeHeaders = append(take.removeHeaders, "cookie")
	} else if found {
		take.headers = append(take.headers, header{"cookie", rest})
	}
	switch {
	case d != nil:
		return d.over(take)
	case len(take.removeQuery)+len(take.headers) == 0 && len(take.removeHeaders) == len(h.headers) && r.rules.spends == nil:
		return nil
	}
	return take
}

// query returns the names of the parameters to remove, as the request spells them.
func (h *hidden) query(r *request) []string {
	if len(h.queries) == 0 {
		return nil
	}
	_, query := r.splitPath()
	var names []string
	for name := range queryPairs(query) {
		if decoded, err := url.QueryUnescape(name); err == nil && slices.Contains(h.queries, decoded) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// cookie returns a Cookie header without the keys; found is false where it holds none.
func (h *hidden) cookie(text string) (rest string, found bool) {
	if len(h.cookies) == 0 {
		return "", false
	}
	isKey := func(pair string) bool { return slices.Contains(h.cookies, cookieName(pair)) }
	var kept []string
	for pair := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == ';' }) {
		joined := strings.Split(pair, ",") // See cookies.
		rest := slices.DeleteFunc(slices.Clone(joined), isKey)
		found = found || len(rest) < len(joined)
		if pair = strings.TrimSpace(strings.Join(rest, ",")); pair != "" {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "; "), found
}
