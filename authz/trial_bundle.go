package authz

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/gatehouse/gatehouse/authz/bundle"
)

// UseBundle gives a bundle to the policies of a table that is tried and serves nobody. The error says which does not compile with it.
func (t *Table) UseBundle(b *bundle.Bundle) error {
	for _, p := range t.policies {
		if p.bundled == nil || p.bundled.name != b.Name {
			continue
		}
		compiled, err := p.bundled.with(b)
		if err != nil {
			return fmt.Errorf("a policy with the bundle %s: %w", b.Name, err)
		}
		p.bundled.current.Store(compiled)
	}
	return nil
}

// alone compiles a policy as far as it can be without its bundle; nil where it has no Rego of its own, or calls what is in the bundle.
func (b *bundled) alone() *policy {
	if b.source == "" {
		return nil
	}
	compiled, err := b.with(&bundle.Bundle{Modules: map[string]*ast.Module{}})
	if err != nil {
		return nil
	}
	return compiled
}
