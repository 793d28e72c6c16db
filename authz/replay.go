package authz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// Replayer takes recorded decisions again by the policies of a revision. Who called stays as it was recorded, and every policy in force
// is asked, also one that an Envoy would decide by itself.
type Replayer struct {
	routes   map[[3]string]*gateway.Route
	policies map[*gateway.Policy]*policy
	needs    map[*gateway.Policy]*need
	limit    time.Duration
}

// Replay is a decision taken again.
type Replay struct {
	Result Result
	Policy string // That refused.
	Reason string
	Unsure []string // Places that policies look at and the record does not have, as JSON pointers: the decision may have been another.
}

// Errors of Replay.
var (
	ErrNoInput = errors.New("the record has no input")
	ErrNoRoute = errors.New("there is no such route")
	// ErrNoBundle tells that a policy sees a bundle, and has none.
	ErrNoBundle = errors.New("a policy's bundle is not here")
)

// replayLimit is how long a policy may take for one record.
const replayLimit = time.Second

// NewReplayer compiles the policies of a revision. Those that see a bundle have none.
func NewReplayer(rev *gateway.Revision) (*Replayer, gateway.Faults) {
	table, faults := Compile(rev, nil)
	if len(faults) > 0 {
		return nil, faults
	}
	return table.Replayer(rev), nil
}

// Replayer returns what takes decisions again by the table of a revision, and by the bundles that it was given.
func (t *Table) Replayer(rev *gateway.Revision) *Replayer {
	r := &Replayer{
		routes: map[[3]string]*gateway.Route{}, policies: map[*gateway.Policy]*policy{}, needs: map[*gateway.Policy]*need{}, limit: replayLimit,
	}
	for _, route := range rev.Routes {
		r.routes[[3]string{route.API, route.Version, route.Operation}] = route
		for _, a := range route.Authorize {
			p := t.policies[contentOf(a.Policy)]
			if p != nil {
				p = p.now()
			}
			if p != nil && r.policies[a.Policy] == nil {
				r.policies[a.Policy], r.needs[a.Policy] = p, inputNeed(p.compiler.Modules)
			}
		}
	}
	return r
}

// Replay takes a decision again, at the time of the record. The error is ErrNoInput, ErrNoRoute, ErrNoBundle, or about the record.
func (r *Replayer) Replay(ctx context.Context, d *gateway.Decision) (Replay, error) {
	if len(d.Input) == 0 {
		return Replay{}, ErrNoInput
	}
	route := r.routes[[3]string{d.API, d.Version, d.Operation}]
	if route == nil || route.Action != gateway.ActionForward {
		return Replay{}, ErrNoRoute
	}
	var input map[string]any
	if err := json.Unmarshal(d.Input, &input); err != nil {
		return Replay{}, fmt.Errorf("read the input of the decision %s: %w", d.ID, err)
	}
	out := Replay{Result: Allowed}
	for _, a := range route.Authorize {
		if a.Mode != gateway.Enforce {
			continue
		}
		if r.policies[a.Policy] == nil {
			return out, ErrNoBundle
		}
		for _, place := range slices.Concat(d.Erased, d.Masked) {
			if r.needs[a.Policy].touches(place) && !slices.Contains(out.Unsure, place) {
				out.Unsure = append(out.Unsure, place)
			}
		}
		given, err := r.ask(ctx, route, a, input, d.Time)
		if err != nil {
			return out, err
		}
		if given != nil && given.result != Allowed {
			out.Result, out.Policy, out.Reason = given.result, a.Policy.Name, given.reason
			return out, nil
		}
	}
	return out, nil
}

// ask has one policy decide about a recorded input; nil allows and changes nothing.
func (r *Replayer) ask(ctx context.Context, route *gateway.Route, a gateway.AppliedPolicy, input map[string]any, at time.Time) (*decision, error) {
	told, _ := input["gatehouse"].(map[string]any)
	told = maps.Clone(told)
	if told == nil {
		told = map[string]any{}
	}
	told["rules"], told["parameters"] = route.Rules, a.Parameters
	if a.Parameters == nil {
		told["parameters"] = map[string]any{}
	}
	with := maps.Clone(input)
	with["gatehouse"] = told
	object, err := toObject(with)
	if err != nil {
		return nil, fmt.Errorf("read the input of a decision: %w", err)
	}
	value, err := r.policies[a.Policy].ask(ctx, object, at, r.limit)
	switch {
	case errors.Is(err, errSlow):
		return fail("timeout"), nil
	case err != nil:
		return fail("evaluation-error"), nil
	case value == nil:
		return deny("undefined"), nil
	}
	d, err := readDecision(value)
	if err != nil {
		return fail("wrong-type"), nil
	}
	return d, nil
}

// touches reports whether a policy refers to a place of the input, given as a JSON pointer into a record, or to what is below it.
func (n *need) touches(pointer string) bool {
	rest, ok := strings.CutPrefix(pointer, "/input/")
	if !ok {
		return false
	}
	for step := range strings.SplitSeq(rest, "/") {
		if n == nil || n.all {
			break
		}
		n = n.at(strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~"))
	}
	return n != nil
}
