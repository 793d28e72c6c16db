package authz

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/jsontext"
)

// addInput puts the input document into a record: the whole that policies may refer to, made from a request without secrets.
func (d *Decided) addInput(out *gateway.Decision) {
	r := d.request
	r.attributes, out.Erased, out.Masked = r.rules.secrets.hide(d.request.attributes)
	if d.withoutBody {
		out.Erased = append(out.Erased, pointerHTTP+"/body", "/input/parsed_body")
	}
	r.body, r.malformed = nil, ""
	term := d.from.input(&r)
	out.Input = appendValue(make([]byte, 0, 4<<10), term.Value)
}

// appendValue appends a value as JSON. A set becomes a list; what is no value of JSON becomes null.
func appendValue(to []byte, v ast.Value) []byte {
	switch v := v.(type) {
	case ast.String:
		return jsontext.String(to, string(v))
	case ast.Number:
		return append(to, string(v)...)
	case ast.Boolean:
		if v {
			return append(to, "true"...)
		}
		return append(to, "false"...)
	case *ast.Array:
		to = append(to, '[')
		for i := range v.Len() {
			if i > 0 {
				to = append(to, ',')
			}
			to = appendValue(to, v.Elem(i).Value)
		}
		return append(to, ']')
	case ast.Object:
		to = append(to, '{')
		v.Foreach(func(name, value *ast.Term) {
			text, ok := name.Value.(ast.String)
			if !ok {
				text = ast.String(name.Value.String())
			}
			to = appendValue(jsontext.Key(to, string(text)), value.Value)
		})
		return append(to, '}')
	case ast.Set:
		return appendValue(to, ast.NewArray(v.Slice()...))
	}
	return append(to, "null"...)
}
