package server

import (
	"context"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/policies"
)

// roles has the rules that ship with Gatehouse decide about callers of the management API.
type roles struct{ rules *authz.Roles }

// newRoles compiles the rules.
func newRoles(ctx context.Context) (roles, error) {
	rules, err := authz.NewRoles(ctx, policies.Files)
	return roles{rules}, err
}

// Decide asks the rules.
func (r roles) Decide(ctx context.Context, q admin.Question) (admin.Verdict, error) {
	query := make(map[string]any, len(q.Query))
	for name, values := range q.Query {
		list := make([]any, len(values))
		for i, value := range values {
			list[i] = value
		}
		query[name] = list
	}
	input := map[string]any{
		"operation": q.Operation, "method": q.Method, "path": q.Path, "query": query, "owner": q.Owner,
		"caller": map[string]any{
			"name": q.Caller.Name, "role": string(q.Caller.Role), "team": q.Caller.Team, "from": q.Caller.From,
			"read_only": q.Caller.ReadOnly, "source": q.Caller.Source,
		},
	}
	if q.Source != nil {
		input["source"] = *q.Source
	}
	if q.Team != nil {
		input["team"] = *q.Team
	}
	verdict, err := r.rules.Decide(ctx, input)
	return admin.Verdict{Allow: verdict.Allow, Need: admin.Role(verdict.Need), Why: verdict.Why}, err
}
