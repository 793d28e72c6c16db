package authz

import (
	"context"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/gatehouse/gatehouse/gateway"
)

// LogPolicy is a policy that is asked about records of decisions, not about requests: OPA's data.system.log.mask and drop.
type LogPolicy struct {
	name   string
	policy *policy
	limit  time.Duration
}

// LogPolicy returns a policy of the table that may take that long for one record; nil where the table lacks it.
func (t *Table) LogPolicy(p *gateway.Policy, limit time.Duration) *LogPolicy {
	if t == nil || p == nil || t.policies[contentOf(p)] == nil {
		return nil
	}
	return &LogPolicy{name: p.Name, policy: t.policies[contentOf(p)], limit: limit}
}

// Ask returns what the policy answers about a record: values as encoding/json has them, a set as a list; nil where it is undefined.
func (l *LogPolicy) Ask(ctx context.Context, record map[string]any) (any, error) {
	input, err := toObject(record)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", l.name, err)
	}
	value, err := l.policy.ask(ctx, input, time.Now(), l.limit)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", l.name, err)
	}
	if value == nil {
		return nil, nil
	}
	plain, err := ast.JSON(value)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", l.name, err)
	}
	return plain, nil
}
