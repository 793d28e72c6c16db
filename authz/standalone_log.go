package authz

import (
	"context"
	"encoding/json"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Event is a decision in the form of OPA's decision log (OPA's documentation, "Decision Logs"). What is masked is no longer in it.
type Event struct {
	Labels     map[string]string      `json:"labels"`
	DecisionID string                 `json:"decision_id"`
	Bundles    map[string]EventBundle `json:"bundles,omitempty"`
	Path       string                 `json:"path,omitempty"`
	Query      string                 `json:"query,omitempty"`
	Input      any                    `json:"input,omitempty"`
	Result     any                    `json:"result,omitempty"`
	Erased     []string               `json:"erased,omitempty"`
	Masked     []string               `json:"masked,omitempty"`
	Error      *EventError            `json:"error,omitempty"`
	Timestamp  time.Time              `json:"timestamp"`
	Metrics    map[string]int64       `json:"metrics,omitempty"`
}

// EventBundle is a bundle by which was decided.
type EventBundle struct {
	Revision string `json:"revision,omitempty"`
}

// EventError is why there was no decision.
type EventError struct {
	Message string `json:"message"`
}

// alwaysErased is what no decision log holds: credentials and bodies, wherever the input has them.
func alwaysErased() []string {
	const http = "/input/attributes/request/http"
	return []string{
		http + "/headers/authorization", http + "/headers/proxy-authorization", http + "/headers/cookie", http + "/headers/x-api-key",
		http + "/headerMap", http + "/body", http + "/rawBody", "/input/parsed_body",
		"/result/body", "/result/headers/set-cookie", "/result/headers/authorization", "/result/response_headers_to_add/set-cookie",
	}
}

// log gives the event of a decision away. It never changes the answer: where the log's own policies fail, the event goes
// without its input and its result.
func (s *Standalone) log(ctx context.Context, a *asked) {
	if s.options.Log == nil || a.set == nil {
		return
	}
	e := Event{
		DecisionID: a.id, Bundles: map[string]EventBundle{}, Path: a.set.path, Timestamp: a.began.UTC(),
		Metrics: map[string]int64{
			"timer_rego_query_eval_ns": int64(a.took), "timer_server_handler_ns": int64(s.options.Now().Sub(a.began)),
		},
	}
	for name, revision := range a.set.bundles {
		e.Bundles[name] = EventBundle{revision}
	}
	if a.wrong != nil {
		e.Error = &EventError{a.wrong.Error()}
	}
	if a.input != nil {
		e.Input = plain(a.input.Value)
	}
	if a.value != nil {
		e.Result = plain(a.value)
	}
	if s.drops(ctx, a.set, &e) {
		return
	}
	if !s.options.Unmasked {
		e.eraseAll(alwaysErased())
	}
	s.mask(ctx, a.set, &e)
	s.options.Log(e)
}

// drops asks the policy of the log whether to leave the event out.
func (s *Standalone) drops(ctx context.Context, set *Set, e *Event) bool {
	if set.drop == nil {
		return false
	}
	value, err := s.evaluator.evaluate(ctx, set.drop, e.term())
	dropped, isBool := value.(ast.Boolean)
	return err == nil && isBool && bool(dropped)
}

// mask erases and replaces what the policy of the log says.
func (s *Standalone) mask(ctx context.Context, set *Set, e *Event) {
	if set.mask == nil {
		return
	}
	value, err := s.evaluator.evaluate(ctx, set.mask, e.term())
	if err == nil && value != nil {
		err = e.apply(value)
	}
	if err != nil {
		e.Input, e.Result = nil, nil
		e.Erased = []string{"/input", "/result"}
		s.options.Logger.Warn("mask of the decision log failed", "decision_id", e.DecisionID, "error", err)
	}
}

// term is the event as the log's policies see it.
func (e *Event) term() *ast.Term {
	text, err := json.Marshal(e)
	if err != nil {
		return ast.ObjectTerm()
	}
	term, err := jsonTerm(text)
	if err != nil {
		return ast.ObjectTerm()
	}
	return term
}

// plain converts a value into what encoding/json writes; what is no JSON becomes text.
func plain(v ast.Value) any {
	x, err := ast.JSON(v)
	if err != nil {
		return v.String()
	}
	return x
}
