package decisions

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// Editor says what of a decision is written: OPA's mask and drop policies. The event is OPA's: decision_id, labels, path, input,
// result, timestamp. It may be changed by nobody.
type Editor interface {
	// Drop reports whether the decision is not to be written at all.
	Drop(ctx context.Context, event map[string]any) (bool, error)
	// Mask returns what is to be taken out or replaced.
	Mask(ctx context.Context, event map[string]any) ([]Mask, error)
}

// Mask is one change of a decision before it is written.
type Mask struct {
	Path   string // JSON pointer (RFC 6901) into the event: "/input/attributes/request/http/headers/x-name".
	Upsert bool   // Value stands there afterwards; else what is there is taken out.
	Value  any
}

// edit lets an Editor change a decision. keep is false where it is not to be written.
func edit(ctx context.Context, e Editor, d *gateway.Decision) (keep bool, err error) {
	var input any
	if len(d.Input) > 0 {
		if err := json.Unmarshal(d.Input, &input); err != nil {
			return false, fmt.Errorf("read the input of a decision: %w", err)
		}
	}
	event := event(d, input)
	drop, err := e.Drop(ctx, event)
	if err != nil || drop {
		return false, err
	}
	masks, err := e.Mask(ctx, event)
	if err != nil || len(masks) == 0 {
		return err == nil, err
	}
	for _, m := range masks {
		if err := m.apply(event, d); err != nil {
			return false, err
		}
	}
	return true, readBack(d, event)
}

// event returns a decision as OPA's decision log tells it, with Gatehouse's fields beside.
func event(d *gateway.Decision, input any) map[string]any {
	e := map[string]any{
		"decision_id": d.ID, "timestamp": d.Time.UTC().Format("2006-01-02T15:04:05.999999999Z07:00"), "path": d.Policy,
		"labels": map[string]any{
			"fleet": d.Fleet, "node": d.Node, "api": d.API, "version": d.Version, "operation": d.Operation, "request_id": d.RequestID,
		},
		"result":          map[string]any{"allowed": !d.Refused(), "result": d.Result, "status": d.Status, "reason": d.Reason, "detail": d.Detail},
		"path_of_request": d.Path,
	}
	if input != nil {
		e["input"] = input
	}
	if id := d.Identity; id != nil {
		e["identity"] = map[string]any{
			"kind": string(id.Kind), "consumer": id.Consumer, "issuer": id.Issuer, "application": id.Application, "plan": id.Plan,
		}
	}
	return e
}

// readBack takes what a mask may have changed from the event.
func readBack(d *gateway.Decision, event map[string]any) error {
	d.Input = nil
	if input, ok := event["input"]; ok {
		text, err := json.Marshal(input)
		if err != nil {
			return fmt.Errorf("write the masked input of a decision: %w", err)
		}
		d.Input = text
	}
	result, _ := event["result"].(map[string]any)
	d.Reason, d.Detail = text(result, "reason"), text(result, "detail")
	d.Path = text(event, "path_of_request")
	if d.Identity != nil {
		id, _ := event["identity"].(map[string]any)
		kept := *d.Identity
		kept.Consumer, kept.Issuer, kept.Application, kept.Plan = text(id, "consumer"), text(id, "issuer"), text(id, "application"), text(id, "plan")
		d.Identity = &kept
	}
	return nil
}

func text(from map[string]any, name string) string {
	s, _ := from[name].(string)
	return s
}

// apply changes the event, and notes in the decision where. As with OPA, a path to nothing changes nothing; what is to be put
// below something that is no object is an error.
func (m Mask) apply(event map[string]any, d *gateway.Decision) error {
	steps, err := pointer(m.Path)
	if err != nil {
		return err
	}
	switch steps[0] {
	case "input", "result", "identity", "path_of_request":
	default:
		return fmt.Errorf("a mask names %s: only what is below /input, /result and /identity, and /path_of_request, may be masked", m.Path)
	}
	at := event
	for _, step := range steps[:len(steps)-1] {
		below, ok := at[step].(map[string]any)
		switch {
		case !ok && m.Upsert && at[step] == nil:
			below = map[string]any{}
			at[step] = below
		case !ok:
			return m.list(at[step], steps, d)
		}
		at = below
	}
	last := steps[len(steps)-1]
	if m.Upsert {
		at[last] = m.Value
		d.Masked = append(d.Masked, m.Path)
		return nil
	}
	if _, there := at[last]; there {
		delete(at, last)
		d.Erased = append(d.Erased, m.Path)
	}
	return nil
}

// list refuses a path through a list, of which nothing can be taken without moving the rest; a path to nothing is well.
func (m Mask) list(at any, _ []string, _ *gateway.Decision) error {
	if _, list := at.([]any); list || m.Upsert {
		return fmt.Errorf("the mask %s leads through what is no object: mask the whole of it", m.Path)
	}
	return nil
}

// pointer splits a JSON pointer.
func pointer(path string) ([]string, error) {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok || rest == "" {
		return nil, fmt.Errorf("the mask %q is no path: write one such as /input/attributes/request/http/headers/x-name", path)
	}
	steps := strings.Split(rest, "/")
	for i, step := range steps {
		steps[i] = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
	}
	return steps, nil
}
