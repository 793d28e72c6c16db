package authz

import (
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/gateway"
)

// decision is what was decided about one request. A nil decision allows it and changes nothing.
type decision struct {
	result Result
	policy string // That refused; empty where none did.
	reason string // Why, as one word or short text; the policy's own where it gives one.

	// Of a refusal.
	status int    // HTTP.
	code   string // Of the problem document.
	detail string
	body   *string // The policy's own; nil: a problem document.

	headers         []header // To the upstream where allowed, else to the client.
	appended        []header // The same, beside those there are.
	responseHeaders []header // To the client, besides what the upstream answers.
	removeHeaders   []string
	setQuery        []header
	removeQuery     []string
	metadata        map[string]*structpb.Value

	// cost is what the request spends of each of its limits; nil: the policy does not say. A request that says nothing spends 1.
	cost *float64
}

// maxCost is the most that one request may spend.
const maxCost = 1_000_000

// spends returns what the request spends of each of its limits.
func (d *decision) spends() float64 {
	if d == nil || d.cost == nil {
		return 1
	}
	return *d.cost
}

// header is a name and a value: of a header, or of a query parameter.
type header struct{ name, value string }

// refuse returns a decision of Gatehouse itself.
func refuse(result Result, status int, code, detail string, headers ...header) *decision {
	return &decision{result: result, status: status, code: code, detail: detail, headers: headers}
}

// deny returns the refusal by a policy that gives no more than that.
func deny(reason string) *decision {
	d := refuse(Denied, 403, gateway.ProblemDenied, "A policy denied the request.")
	d.reason = reason
	return d
}

// fail returns the refusal for a policy that came to no decision.
func fail(reason string) *decision {
	d := refuse(Failed, 403, gateway.ProblemPolicyFailed, "The policy came to no decision.")
	d.reason = reason
	return d
}

// readDecision reads what a policy answered: a boolean, or the object that opa-envoy-plugin defines, with reason, append and
// cost besides.
// An error means that a part has the wrong type.
func readDecision(answer ast.Value) (*decision, error) {
	switch answer := answer.(type) {
	case ast.Boolean:
		if answer {
			return nil, nil
		}
		return deny(""), nil
	case ast.Object:
		return readObject(answer)
	}
	return nil, fmt.Errorf("the answer is of type %s, neither boolean nor object", ast.ValueName(answer))
}

func readObject(o ast.Object) (*decision, error) {
	if err := weigh(maxNodes, maxBytes, ast.NewTerm(o)); err != nil {
		return nil, errors.New("the answer is too large")
	}
	p := parts{object: o}
	allowed, ok := p.get("allowed").(ast.Boolean)
	if !ok {
		return nil, fmt.Errorf("the answer's %q is not a boolean", "allowed")
	}
	if allowed && o.Len() == 1 {
		return nil, nil
	}
	d := &decision{}
	if !allowed {
		d = deny("")
		p.refusal(d)
	}
	if reason, ok := p.get("reason").(ast.String); ok {
		d.reason = string(reason)
	}
	d.headers = p.headers("headers")
	d.appended = p.headers("append")
	d.metadata = p.metadata("dynamic_metadata")
	if allowed {
		d.responseHeaders = p.headers("response_headers_to_add")
		d.removeHeaders = p.names("request_headers_to_remove")
		d.setQuery = p.query("query_parameters_to_set")
		d.removeQuery = p.names("query_parameters_to_remove")
		d.cost = p.cost()
	}
	return d, p.err
}

// refusal reads what only a refusal has.
func (p *parts) refusal(d *decision) {
	switch body := p.get("body").(type) {
	case nil:
	case ast.String:
		text := string(body)
		d.body = &text
	default:
		p.wrong("body", "a string")
	}
	switch status := p.get("http_status").(type) {
	case nil:
	case ast.Number:
		code, ok := status.Int()
		if !ok {
			p.wrong("http_status", "an integer")
		}
		d.status = code
	default:
		p.wrong("http_status", "a number")
	}
}
