package authz

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// apply does what a mask policy answered: a set of paths to erase, or of objects {"op": "remove" | "upsert", "path", "value"}
// (OPA's documentation, "Masking Sensitive Data"). Only input and result can be changed; OPA ignores what it cannot
// change, and so does this, but an answer of another form is an error.
func (e *Event) apply(answer ast.Value) error {
	var rules []any
	switch list := plain(answer).(type) {
	case []any:
		rules = list
	default:
		return errors.New("the mask is no set")
	}
	for _, rule := range rules {
		switch rule := rule.(type) {
		case string:
			if err := maskable(rule); err != nil {
				return err
			}
			e.eraseAll([]string{rule})
		case map[string]any:
			if err := e.applyObject(rule); err != nil {
				return err
			}
		default:
			return errors.New("the mask holds what is neither a path nor an object")
		}
	}
	slices.Sort(e.Erased)
	e.Erased = slices.Compact(e.Erased)
	return nil
}

func (e *Event) applyObject(rule map[string]any) error {
	path, _ := rule["path"].(string)
	if err := maskable(path); err != nil {
		return err
	}
	switch rule["op"] {
	case "remove":
		e.eraseAll([]string{path})
	case "upsert":
		if e.change(path, rule["value"], false) {
			e.Masked = append(e.Masked, path)
		}
	default:
		return errors.New("the mask holds an operation that is neither remove nor upsert")
	}
	return nil
}

func maskable(path string) error {
	if path == "/input" || path == "/result" || strings.HasPrefix(path, "/input/") || strings.HasPrefix(path, "/result/") {
		return nil
	}
	return fmt.Errorf("the mask names %q: only what is below /input and /result can be masked", path)
}

// eraseAll erases what is there of the paths.
func (e *Event) eraseAll(paths []string) {
	for _, path := range paths {
		if e.change(path, nil, true) {
			e.Erased = append(e.Erased, path)
		}
	}
}

// change erases or replaces one value by its path (RFC 6901), and reports whether it was there.
func (e *Event) change(path string, value any, erase bool) bool {
	steps := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, step := range steps {
		steps[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
	}
	root := map[string]any{}
	if e.Input != nil {
		root["input"] = e.Input
	}
	if e.Result != nil {
		root["result"] = e.Result
	}
	changed := edit(root, steps, value, erase)
	e.Input, e.Result = root["input"], root["result"]
	return changed
}

// edit goes down to the last step, and erases or replaces what is there.
func edit(at any, steps []string, value any, erase bool) bool {
	switch at := at.(type) {
	case map[string]any:
		inner, known := at[steps[0]]
		switch {
		case len(steps) > 1:
			return known && edit(inner, steps[1:], value, erase)
		case erase && known:
			delete(at, steps[0])
			return true
		case erase:
			return false
		}
		at[steps[0]] = value
		return true
	case []any:
		i, err := strconv.Atoi(steps[0])
		switch {
		case err != nil || i < 0 || i >= len(at):
			return false
		case len(steps) > 1:
			return edit(at[i], steps[1:], value, erase)
		case erase:
			at[i] = nil
			return true
		}
		at[i] = value
		return true
	}
	return false
}
