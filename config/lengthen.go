package config

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/config/canonical"
	"github.com/gatehouse/gatehouse/gateway"
)

// What follows are the inverses of what reads documents, where their tags do not say enough: texts of types that are no
// texts, and the long form of what can be written in several ways.

// String returns the span in whole units, the largest first: "1h30m", "250ms".
func (v duration) String() string { return span(time.Duration(v)) }

// String returns the span as a duration does.
func (v checkTime) String() string { return span(time.Duration(v)) }

// String returns the duration.
func (v callTime) String() string { return span(time.Duration(v)) }

// String returns the span as a duration does.
func (v wholeSeconds) String() string { return span(time.Duration(v)) }

func span(d time.Duration) string {
	var b strings.Builder
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if n := d / unit.length; n > 0 {
			b.WriteString(strconv.FormatInt(int64(n), 10) + unit.name)
			d -= n * unit.length
		}
	}
	return b.String()
}

// String returns the share with its sign.
func (v percent) String() string { return strconv.FormatFloat(float64(v), 'f', -1, 64) + "%" }

// String returns the expression.
func (v pathRegex) String() string { return v.Regex }

// String returns the value with its parts in braces.
func (v headerValue) String() string {
	var b strings.Builder
	for _, p := range v.parts {
		if p.Field != "" {
			b.WriteString("{" + string(p.Field) + "}")
			continue
		}
		b.WriteString(strings.NewReplacer("{", "{{", "}", "}}").Replace(p.Text))
	}
	return b.String()
}

func (v filePath) below(folder string) string { return fromRoot(folder, string(v)) }

func (v hostFile) below(folder string) string { return fromRoot(folder, string(v)) }

func (v secret) below(folder string) string {
	if file, ok := strings.CutPrefix(string(v), "file:"); ok {
		return "file:" + fromRoot(folder, file)
	}
	return string(v)
}

func (form) form(*forms) canonical.Value { return canonical.Value{Shape: canonical.Plain, Text: "1"} }

// lengthen leaves out the one operation for every path, which an API has that lists none.
func (d *apiDocument) lengthen() {
	everything := operationFields{ID: "all", pathFields: pathFields{Path: &pathTemplate{Path: gateway.Path{Prefix: true}}}}
	if d.Contract == "" && len(d.Operations) == 1 && reflect.DeepEqual(d.Operations[0], everything) {
		d.Operations = nil
	}
}

func (d *gatewayDocument) lengthen() {
	if d.Fleet == d.Name {
		d.Fleet = ""
	}
}

func (f *listenerFields) lengthen() {
	if f.Redirect == nil && len(f.Hosts) == 1 && f.Hosts[0] == gateway.AnyHost {
		f.Hosts = nil
	}
}

func (f *tlsFields) lengthen() {
	if f.Certificate != "" && f.Certificates == nil {
		f.Certificate, f.Certificates = "", []name{f.Certificate}
	}
}

func (f *pathFields) lengthen() {
	if f.Method != "" && f.Methods == nil {
		f.Method, f.Methods = "", []method{f.Method}
	}
}

func (m *matchFields) lengthen() {
	m.pathFields.lengthen()
	m.conditionsFields.lengthen()
	if m.Path != nil && m.Path.Prefix && len(m.Path.Segments) == 0 {
		m.Path = nil
	}
}

func (f *conditionsFields) lengthen() { f.Headers = lower(f.Headers) }

// lower returns headers by their names in lower case.
func lower[T any](headers map[string]T) map[string]T {
	if !slices.ContainsFunc(slices.Collect(maps.Keys(headers)), func(name string) bool { return name != strings.ToLower(name) }) {
		return headers
	}
	out := make(map[string]T, len(headers))
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		out[strings.ToLower(name)] = headers[name]
	}
	return out
}

func (c *conditionFields) lengthen() { c.Present = c.Present || c.Value == "" }

func (f *headerChangeFields) lengthen() {
	f.Set, f.Add = lower(f.Set), lower(f.Add)
	f.Remove = each(f.Remove, strings.ToLower)
}

func (f *retryFields) lengthen() {
	if on := slices.Sorted(slices.Values(f.On)); slices.Equal(slices.Compact(on), retryConditions()) {
		f.On = nil
	}
}

func (v *authenticateFields) form(f *forms) canonical.Value {
	if v.none {
		return canonical.Value{Text: "none"}
	}
	long := *v
	switch {
	case v.Any == nil && v.All == nil && v.says():
		long.Any, long.partFields = []proofFields{{partFields: v.partFields}}, partFields{}
	case v.Any == nil && !v.says() && v.All != nil:
		long.Any, long.All = []proofFields{{All: v.All}}, nil
	}
	return f.object(reflect.ValueOf(&long).Elem())
}

func (p *proofFields) lengthen() {
	if len(p.All) == 1 && !p.says() {
		p.partFields, p.All = p.All[0], nil
	}
}

func (v *endpointsFields) form(f *forms) canonical.Value {
	switch {
	case v.pushed:
		return canonical.Value{Text: "pushed"}
	case v.List != nil:
		return f.list(reflect.ValueOf(v.List), f.fields(reflect.TypeFor[endpointsFields]()).byName["list"])
	}
	return f.object(reflect.ValueOf(&v.Source).Elem())
}

func (v *regoText) form(*forms) canonical.Value {
	return canonical.Value{Shape: canonical.Lines, Text: v.text}
}

// form returns the key set as a mapping, whichever way it is written.
func (v *keySet) form(*forms) canonical.Value {
	var set any
	d := json.NewDecoder(bytes.NewReader(v.json))
	d.UseNumber()
	if d.Decode(&set) != nil {
		return canonical.Value{Text: string(v.json), Secret: true}
	}
	out := free(set)
	if keys := out.Field("keys"); keys != nil && keys.Shape == canonical.List {
		keys.By = "kid"
		for i := range keys.Parts {
			hidePrivate(&keys.Parts[i].Value)
		}
	}
	return out
}

// hidePrivate marks what no key set may hold (RFC 7518 6.3.2, 6.4.1).
func hidePrivate(key *canonical.Value) {
	for i := range key.Parts {
		if p := &key.Parts[i]; slices.Contains(privateMembers(), p.Name) {
			p.Hide()
		}
	}
}
