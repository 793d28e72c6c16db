package replay

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// recorded is what a record tells of a request.
type recorded struct {
	decision   *gateway.Decision
	route      *gateway.Route
	input      *input          // nil: the record has none.
	hidden     map[string]bool // Headers that were taken out or replaced.
	parameters map[string]string
}

// input is what limits may ask of the policies' input document.
type input struct {
	Attributes struct {
		Source struct {
			Address struct {
				SocketAddress struct {
					Address string `json:"address"`
				} `json:"socketAddress"`
			} `json:"address"`
		} `json:"source"`
		Request struct {
			HTTP struct {
				Headers map[string]string `json:"headers"`
				Path    string            `json:"path"`
			} `json:"http"`
		} `json:"request"`
	} `json:"attributes"`
	Gatehouse struct {
		Identity struct {
			Claims map[string]any `json:"claims"`
		} `json:"identity"`
	} `json:"gatehouse"`
}

// read reads a record.
func read(d *gateway.Decision, route *gateway.Route) (recorded, error) {
	r := recorded{decision: d, route: route, hidden: map[string]bool{}}
	r.parameters, _ = route.Match.Path.Parameters(d.Path)
	if len(d.Input) > 0 {
		r.input = &input{}
		if err := json.Unmarshal(d.Input, r.input); err != nil {
			return r, fmt.Errorf("read the input of the decision %s: %w", d.ID, err)
		}
	}
	for _, place := range slices.Concat(d.Erased, d.Masked) {
		if name, ok := strings.CutPrefix(place, "/input/attributes/request/http/headers/"); ok {
			r.hidden[name] = true
		}
	}
	return r, nil
}

// part returns a part of a limit's key; known is false where the record does not tell whether the request has one.
func (r *recorded) part(part string) (value string, ok, known bool) {
	kind, name, _ := strings.Cut(part, ".")
	switch kind {
	case "path":
		value, ok = r.parameters[name]
		if decoded, err := url.PathUnescape(value); err == nil {
			value = decoded
		}
		return value, ok, true
	case "token":
		return r.claim(name)
	case "header":
		if r.input == nil || r.hidden[name] {
			return "", false, false
		}
		value, ok = r.input.Attributes.Request.HTTP.Headers[name]
		return value, ok, true
	case "query":
		return r.query(name)
	case "client":
		if r.input == nil {
			return "", false, false
		}
		value = r.input.Attributes.Source.Address.SocketAddress.Address
		return value, value != "", value != ""
	}
	who := r.decision.Identity
	switch {
	case who == nil:
	case part == gateway.KeyConsumer:
		value = gateway.ConsumerKey(who.Issuer, who.Consumer)
	case kind == "application":
		value = who.Application
	case kind == "plan":
		value = who.Plan
	}
	return value, value != "", true
}

// claim returns a claim of a token. The subject is known without the input.
func (r *recorded) claim(path string) (value string, ok, known bool) {
	if r.input == nil {
		who := r.decision.Identity
		if path == "sub" && who != nil && who.Kind == gateway.ByJWT {
			return who.Consumer, who.Consumer != "", true
		}
		return "", false, false
	}
	text, isText := r.claimValue(path).(string)
	return text, isText && text != "", true
}

func (r *recorded) claimValue(path string) any {
	var at any = r.input.Gatehouse.Identity.Claims
	for name := range strings.SplitSeq(path, ".") {
		object, _ := at.(map[string]any)
		at = object[name]
	}
	return at
}

// query returns the first value of a parameter of the query. The record's own path has none.
func (r *recorded) query(name string) (value string, ok, known bool) {
	if r.input == nil {
		return "", false, false
	}
	_, query, _ := strings.Cut(r.input.Attributes.Request.HTTP.Path, "?")
	for pair := range strings.SplitSeq(query, "&") {
		written, value, _ := strings.Cut(pair, "=")
		if decoded, err := url.PathUnescape(written); err == nil && decoded == name {
			if decoded, err := url.PathUnescape(value); err == nil {
				value = decoded
			}
			return value, true, true
		}
	}
	return "", false, true
}

// knowsCost reports whether a cost can be told: nothing is recorded of sizes and responses.
func (r *recorded) knowsCost(from string) bool {
	kind, name, _ := strings.Cut(from, ".")
	return r.input != nil && (kind == "token" || kind == "header" && !r.hidden[name])
}

// amount returns the text of what is to be a number.
func (r *recorded) amount(from string) (string, bool) {
	if name, ok := strings.CutPrefix(from, "token."); ok {
		if n, ok := r.claimValue(name).(float64); ok {
			return strconv.FormatFloat(n, 'f', -1, 64), true
		}
	}
	value, ok, _ := r.part(from)
	return value, ok
}

// holds reports whether a condition holds, and notes what it asks for that the record does not tell.
func (r *recorded) holds(when *gateway.LimitWhen, lacks map[string]bool) bool {
	all := true
	for _, h := range when.Headers {
		value, ok, known := r.part("header." + h.Name)
		lacks["header."+h.Name] = !known
		all = all && ok && (len(h.Values) == 0 || slices.Contains(h.Values, value))
	}
	for _, q := range when.Query {
		value, ok, known := r.query(q.Name)
		lacks["query."+q.Name] = !known
		all = all && ok && (q.Value == "" || value == q.Value)
	}
	for _, c := range when.Claims {
		lacks["token."+c.Name] = r.input == nil
		all = all && r.input != nil && claimIs(r.claimValue(c.Name), c.Values)
	}
	for name, missing := range lacks {
		if !missing {
			delete(lacks, name)
		}
	}
	who := r.decision.Identity
	return all && (len(when.Plans) == 0 || who != nil && slices.Contains(when.Plans, who.Plan))
}

// claimIs reports whether a claim is one of some values, or a list that holds one.
func claimIs(claim any, values []string) bool {
	switch c := claim.(type) {
	case string:
		return slices.Contains(values, c)
	case float64, bool:
		text, err := json.Marshal(c)
		return err == nil && slices.Contains(values, string(text))
	case []any:
		return slices.ContainsFunc(c, func(one any) bool { _, nested := one.([]any); return !nested && claimIs(one, values) })
	}
	return false
}
