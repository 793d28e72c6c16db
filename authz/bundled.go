package authz

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/gatehouse/gatehouse/authz/bundle"
	"github.com/gatehouse/gatehouse/gateway"
)

// bundled is what a policy has that sees a bundle: it is compiled anew with each bundle that comes, aside, and used by all
// requests from one moment on. It stands in the tables of all revisions that have it.
type bundled struct {
	name    string // Of the Bundle.
	source  string // The Policy's own Rego; empty: none.
	entry   string
	data    map[string]any
	limit   time.Duration
	bodies  *Descriptors
	current atomic.Pointer[policy] // nil: no bundle has come that it compiles with.
}

// now returns the policy to ask: itself, or what it is with the bundle in use; nil where there is none yet.
func (p *policy) now() *policy {
	if p.bundled == nil {
		return p
	}
	return p.bundled.current.Load()
}

// bundledContent is what identifies a policy that sees a bundle. What the bundle holds is no part of it.
func bundledContent(p *gateway.Policy) []byte {
	text, err := json.Marshal([]any{"bundle", p.Bundle, p.Source, p.Entry, p.Data, p.Limit, p.Descriptors})
	if err != nil {
		return []byte(p.Bundle + "\x00" + p.Source + "\x00" + p.Entry)
	}
	return text
}

// newBundled returns a policy that waits for its bundle. What can be wrong with it before that is its own text.
func newBundled(p *gateway.Policy) (*policy, []mistake) {
	b := &bundled{name: p.Bundle, source: p.Source, entry: p.Entry, data: p.Data, limit: p.Limit}
	described, err := ReadDescriptors(p.Descriptors)
	if err != nil {
		return nil, []mistake{{code: gateway.CodeRego, message: fmt.Sprintf("the descriptors cannot be read: %v", err), field: "descriptors"}}
	}
	b.bodies = described
	if _, err := toObject(p.Data); err != nil {
		return nil, []mistake{{code: gateway.CodeRego, message: fmt.Sprintf("the policy's data is not JSON: %v", err)}}
	}
	if _, err := b.module(); err != nil {
		return nil, regoMistakes(err)
	}
	return &policy{bundled: b}, nil
}

// module returns the policy's own module, nil where it has none.
func (b *bundled) module() (*ast.Module, error) {
	if b.source == "" {
		return nil, nil
	}
	return ast.ParseModuleWithOpts("policy.rego", b.source, ast.ParserOptions{RegoVersion: ast.RegoV1, ProcessAnnotation: true})
}

// with compiles the policy with a bundle.
func (b *bundled) with(seen *bundle.Bundle) (*policy, error) {
	own := &bundle.Bundle{Modules: map[string]*ast.Module{}, Data: b.data}
	module, err := b.module()
	if err != nil {
		return nil, err
	}
	query := ast.Ref(nil)
	if module != nil {
		own.Modules["policy.rego"] = module
		query = entryRef(module, b.entry)
	} else if query, err = PathRef(b.entry); err != nil {
		return nil, err
	}
	merged, err := bundle.Merge([]*bundle.Bundle{own, seen})
	if err != nil {
		return nil, err
	}
	base, faults := compileModules(merged)
	if faults != nil {
		return nil, faults
	}
	if !base.answers(query) {
		return nil, fmt.Errorf("the bundle has no rule %s, which is to decide", query)
	}
	base.input, base.limit, base.descriptors = inputBuilder(inputNeed(base.compiler.Modules)), b.limit, b.bodies
	return base.askingFor(query)
}

// UseBundle takes a bundle into use, for every policy that names it and at once for all requests. With an error, which says what
// does not compile, the one before stays in use for all of them.
func (s *Service) UseBundle(b *bundle.Bundle) error {
	s.bundling.Lock()
	defer s.bundling.Unlock()
	fresh := map[*bundled]*policy{}
	for _, e := range *s.held.Load() {
		for _, p := range e.rules.policies {
			if p.bundled == nil || p.bundled.name != b.Name || fresh[p.bundled] != nil {
				continue
			}
			compiled, err := p.bundled.with(b)
			if err != nil {
				return fmt.Errorf("policy %s with the bundle %s: %w", p.name, b.Name, err)
			}
			fresh[p.bundled] = compiled
		}
	}
	for at, compiled := range fresh {
		at.current.Store(compiled)
	}
	known := maps.Clone(s.bundles)
	if known == nil {
		known = map[string]*bundle.Bundle{}
	}
	known[b.Name] = b
	s.bundles = known
	return nil
}

// fill gives the policies of a table the bundles that are there; s.bundling is held. One that does not compile with its bundle
// refuses until another one comes.
func (s *Service) fill(t *Table) {
	for _, p := range t.policies {
		if p.bundled == nil || p.bundled.current.Load() != nil || s.bundles[p.bundled.name] == nil {
			continue
		}
		compiled, err := p.bundled.with(s.bundles[p.bundled.name])
		if err != nil {
			s.evaluator.logger.ErrorContext(context.Background(), "policy does not compile with its bundle", "bundle", p.bundled.name, "error", err)
			continue
		}
		p.bundled.current.Store(compiled)
	}
}

// unbundled is the decision about a request one of whose policies waits for its bundle.
func unbundled() *decision {
	return refuse(Failed, http.StatusServiceUnavailable, gateway.ProblemRulesUnknown,
		"The bundle of a policy is not here yet.", header{"retry-after", "1"})
}
