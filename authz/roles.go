package authz

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

// rolesLimit is how long a decision about a caller of the management API may take.
const rolesLimit = 2 * time.Second

// Roles decides what callers of the management API may do, by the Rego of package policies. It may be used by any number of
// goroutines.
type Roles struct{ query rego.PreparedEvalQuery }

// RoleVerdict is what was decided about one request.
type RoleVerdict struct {
	Allow bool
	Need  string // The role that the operation needs; empty where nobody may.
	Why   string // Of a denial.
}

// NewRoles compiles the policies below a directory of a file system: those of package gatehouse.admin. Tests are left out.
func NewRoles(ctx context.Context, files fs.FS) (*Roles, error) {
	options := []func(*rego.Rego){
		rego.Query("verdict = data.gatehouse.admin.verdict"),
		rego.Capabilities(capabilities()),
		rego.StrictBuiltinErrors(true),
		rego.SetRegoVersion(ast.RegoV1),
	}
	modules, err := readModules(files)
	if err != nil {
		return nil, err
	}
	for name, module := range modules {
		if !strings.HasSuffix(name, "_test.rego") {
			options = append(options, rego.ParsedModule(module))
		}
	}
	query, err := rego.New(options...).PrepareForEval(ctx)
	if err != nil {
		return nil, fmt.Errorf("compile the rules of the management API: %w", err)
	}
	return &Roles{query: query}, nil
}

// Decide asks about one request, whose input is written as JSON would be: maps, lists, strings, numbers and booleans. With
// an error nothing is allowed.
func (r *Roles) Decide(ctx context.Context, input map[string]any) (RoleVerdict, error) {
	ctx, cancel := context.WithTimeout(ctx, rolesLimit)
	defer cancel()
	results, err := r.query.Eval(ctx, rego.EvalInput(input))
	if err != nil {
		return RoleVerdict{}, fmt.Errorf("decide about a caller: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return RoleVerdict{}, fmt.Errorf("decide about a caller: %w", err)
	}
	if len(results) != 1 {
		return RoleVerdict{}, errors.New("decide about a caller: the rules do not answer")
	}
	verdict, _ := results[0].Bindings["verdict"].(map[string]any)
	allow, known := verdict["allow"].(bool)
	if !known {
		return RoleVerdict{}, errors.New("decide about a caller: the answer of the rules cannot be read")
	}
	need, _ := verdict["need"].(string)
	why, _ := verdict["why"].(string)
	return RoleVerdict{Allow: allow, Need: need, Why: why}, nil
}
