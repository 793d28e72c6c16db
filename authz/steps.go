package authz

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/gatehouse/gatehouse/gateway"
)

// stepTracer follows an evaluation and keeps what became of each rule.
type stepTracer struct {
	of    *gateway.Policy
	input ast.Value
	steps []Step
	open  map[uint64]int // The step of each query that is under way, and
	last  map[uint64]*topdown.Event
	depth map[uint64]int
}

// maxSteps bounds what is kept of one evaluation.
const maxSteps = 1000

// Enabled returns true: whoever makes a tracer wants it.
func (s *stepTracer) Enabled() bool { return true }

// Config asks for the values of variables.
func (s *stepTracer) Config() topdown.TraceConfig { return topdown.TraceConfig{PlugLocalVars: true} }

// TraceEvent takes in one event.
func (s *stepTracer) TraceEvent(e topdown.Event) {
	if s.open == nil {
		s.open, s.last, s.depth = map[uint64]int{}, map[uint64]*topdown.Event{}, map[uint64]int{}
	}
	rule, isRule := e.Node.(*ast.Rule)
	switch {
	case isRule && e.Op == topdown.EnterOp && len(s.steps) < maxSteps:
		s.depth[e.QueryID] = s.depth[e.ParentID] + 1
		s.open[e.QueryID] = len(s.steps)
		s.steps = append(s.steps, Step{Rule: rule.Head.Ref().String(), Place: s.place(rule.Location), Depth: s.depth[e.QueryID] - 1})
	case isRule && e.Op == topdown.ExitOp:
		if i, known := s.open[e.QueryID]; known {
			s.steps[i].Holds, s.steps[i].Failed, s.steps[i].At, s.steps[i].Values = true, "", 0, nil
		}
	case e.Op == topdown.EnterOp:
		s.depth[e.QueryID] = s.depth[e.ParentID]
	case e.Op == topdown.FailOp:
		s.failed(&e)
	}
}

// failed notes where a rule went no further: the expression that failed last, unless the rule holds after all.
func (s *stepTracer) failed(e *topdown.Event) {
	i, known := s.open[e.QueryID]
	if !known || s.steps[i].Holds || e.Location == nil {
		return
	}
	expression, ok := e.Node.(*ast.Expr)
	if !ok {
		return
	}
	s.steps[i].Failed, s.steps[i].At = written(expression, e.Location), s.place(e.Location).Line
	s.steps[i].Values = s.read(expression)
	if e.Locals == nil {
		return
	}
	e.Locals.Iter(func(k, v ast.Value) bool {
		name := k.String()
		if known, renamed := e.LocalMetadata[ast.Var(name)]; renamed {
			name = string(known.Name)
		}
		if name != "_" && !strings.HasPrefix(name, "__local") && !strings.HasPrefix(name, "$") {
			s.steps[i].Values[name] = shortened(v.String())
		}
		return false
	})
}

// read returns what an expression reads of the input, as far as that is there.
func (s *stepTracer) read(e *ast.Expr) map[string]string {
	values := map[string]string{}
	ast.WalkRefs(e, func(r ast.Ref) bool {
		if !r.HasPrefix(ast.InputRootRef) || !r.IsGround() {
			return false
		}
		value, err := s.input.Find(r[1:])
		if err != nil {
			values[r.String()] = "not there"
		} else {
			values[r.String()] = shortened(value.String())
		}
		return false
	})
	return values
}

// written returns an expression as it stands in the policy.
func written(e *ast.Expr, at *ast.Location) string {
	if len(at.Text) > 0 {
		return oneLine(string(at.Text))
	}
	return oneLine(e.String())
}

// shortened bounds a value for people.
func shortened(text string) string {
	if len(text) > 120 {
		return text[:120] + "..."
	}
	return text
}

// place returns where something stands in the policy's file.
func (s *stepTracer) place(at *ast.Location) gateway.Place {
	if at == nil {
		return gateway.Place{File: s.of.File}
	}
	return gateway.Place{File: s.of.File, Line: max(s.of.Line, 1) + at.Row - 1}
}

// list returns the steps.
func (s *stepTracer) list() []Step { return s.steps }
