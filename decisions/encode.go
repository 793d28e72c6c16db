package decisions

import (
	"time"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/jsontext"
)

// Append appends a decision as JSON, in one line, with the names that its type says (encoding/json reads it back).
func Append(to []byte, d *gateway.Decision) []byte {
	to = append(to, '{')
	to = jsontext.String(jsontext.Key(to, "id"), d.ID)
	to = jsontext.Text(to, "request_id", d.RequestID)
	to = append(jsontext.Key(to, "time"), '"')
	to = append(d.Time.UTC().AppendFormat(to, time.RFC3339Nano), '"')
	to = jsontext.Text(to, "fleet", d.Fleet)
	to = jsontext.Text(to, "node", d.Node)
	to = jsontext.String(jsontext.Key(to, "by"), string(d.By))
	to = jsontext.String(jsontext.Key(to, "api"), d.API)
	to = jsontext.Text(to, "version", d.Version)
	to = jsontext.String(jsontext.Key(to, "operation"), d.Operation)
	to = jsontext.String(jsontext.Key(to, "rules"), d.Rules)
	to = jsontext.Text(to, "method", d.Method)
	to = jsontext.Text(to, "path", d.Path)
	to = jsontext.Text(to, "policy", d.Policy)
	to = jsontext.Text(to, "mode", string(d.Mode))
	to = appendIdentity(to, d.Identity)
	to = jsontext.String(jsontext.Key(to, "result"), d.Result)
	to = jsontext.Int(to, "status", int64(d.Status))
	to = jsontext.Text(to, "code", d.Code)
	to = jsontext.Text(to, "reason", d.Reason)
	to = jsontext.Text(to, "detail", d.Detail)
	to = jsontext.Int(to, "duration_ns", int64(d.Duration))
	to = appendShadows(to, d.Shadows)
	if len(d.Input) > 0 {
		to = append(jsontext.Key(to, "input"), d.Input...)
	}
	to = jsontext.Texts(to, "lacks", d.Lacks)
	to = jsontext.Texts(to, "erased", d.Erased)
	to = jsontext.Texts(to, "masked", d.Masked)
	return append(to, '}')
}

func appendIdentity(to []byte, id *gateway.Identity) []byte {
	if id == nil {
		return to
	}
	to = append(jsontext.Key(to, "identity"), '{')
	to = jsontext.String(jsontext.Key(to, "kind"), string(id.Kind))
	to = jsontext.Text(to, "consumer", id.Consumer)
	to = jsontext.Text(to, "issuer", id.Issuer)
	to = jsontext.Text(to, "application", id.Application)
	to = jsontext.Text(to, "plan", id.Plan)
	to = jsontext.Texts(to, "scopes", id.Scopes)
	return append(to, '}')
}

func appendShadows(to []byte, shadows []gateway.ShadowDecision) []byte {
	if len(shadows) == 0 {
		return to
	}
	to = append(jsontext.Key(to, "shadows"), '[')
	for i, s := range shadows {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(to, '{')
		to = jsontext.String(jsontext.Key(to, "policy"), s.Policy)
		to = jsontext.String(jsontext.Key(to, "result"), s.Result)
		to = append(jsontext.Text(to, "reason", s.Reason), '}')
	}
	return append(to, ']')
}

// hash returns a number for a request id, the same in every process: it is in the indexes of the journal (FNV-1a).
func hash(id string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	sum := uint64(offset)
	for i := range len(id) {
		sum = (sum ^ uint64(id[i])) * prime
	}
	return sum
}
