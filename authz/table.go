package authz

import (
	"crypto/sha256"
	"encoding/json"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/gatehouse/gatehouse/gateway"
)

// Table holds the compiled rules of one revision, by the hash that travels with the route. It is immutable.
type Table struct {
	rules    map[string]*rules
	fleets   map[string][]string // Whose routes have these rules.
	policies map[content]*policy
	data     map[string]ast.Value // Of files of data, by their hash.
}

// compiling is what policies are compiled with, and what all of them share.
type compiling struct {
	guarding *guarding
	builtins map[string]*topdown.Builtin // Of those that ask no hosts.
	data     *dataFiles
}

func newCompiling(data *dataFiles) compiling {
	return compiling{guarding: newGuarding(policyCapabilities()), builtins: builtinsOf(nil), data: data}
}

// Len returns the number of routes that the table answers for.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return len(t.rules)
}

// content identifies what a policy is compiled from. Its name, its place and its parameters are not part of it.
type content [sha256.Size]byte

func contentOf(p *gateway.Policy) content {
	if p.Bundle != "" {
		return sha256.Sum256(bundledContent(p))
	}
	text, err := json.Marshal([]any{p.Source, p.Entry, p.Data, p.DataFiles, p.Imported, p.Limit, p.Hosts, p.Descriptors})
	if err != nil { // Data that is not JSON is found by compilePolicy; its text is all there is to tell it by.
		text = []byte(p.Source + "\x00" + p.Entry + "\x00" + err.Error())
	}
	return sha256.Sum256(text)
}

// Compile makes the table of a revision: rules for every route that calls for authorization, and for those whose policies
// Envoy decides by itself, as an Envoy may still have such a route as it was when it called. What prev (which may be nil)
// holds already is taken from there: rules by their hash, policies by content, so that a changed route compiles only what
// is new in it. Every policy of the revision is compiled, also one that no route applies. Where there are faults, the table
// lacks the routes whose policies have them. Nothing live is touched.
func Compile(rev *gateway.Revision, prev *Table) (*Table, []gateway.Fault) {
	t := &Table{rules: make(map[string]*rules, len(rev.Routes)), fleets: make(map[string][]string, len(rev.Routes)), policies: map[content]*policy{}}
	compiled, faults := compilePolicies(rev, prev, t)
	for _, route := range rev.Routes {
		if route.Action != gateway.ActionForward || !route.CallsAuthorization() && len(route.Authorize) == 0 {
			continue
		}
		if f := t.fleets[route.Rules]; !slices.Contains(f, route.Fleet()) {
			t.fleets[route.Rules] = append(f, route.Fleet())
		}
		if prev != nil && prev.rules[route.Rules] != nil {
			t.rules[route.Rules] = prev.rules[route.Rules]
			continue
		}
		r, err := newRules(route, compiled)
		switch {
		case err != nil:
			faults = append(faults, gateway.Fault{
				Code: gateway.CodeRego, Place: route.Origin, Object: route.Object, Message: err.Error(),
			})
		case r != nil:
			t.rules[route.Rules] = r
		}
	}
	return t, gateway.Faults(faults).Sort()
}

// compilePolicies fills the table's policies and returns them by document, and the faults of those that do not compile.
func compilePolicies(rev *gateway.Revision, prev *Table, t *Table) (map[*gateway.Policy]*policy, []gateway.Fault) {
	contents := map[*gateway.Policy]content{}
	note := func(p *gateway.Policy) {
		if _, ok := contents[p]; !ok {
			contents[p] = contentOf(p)
		}
	}
	for _, p := range rev.Policies {
		note(p)
	}
	for _, route := range rev.Routes {
		for _, a := range route.Authorize {
			note(a.Policy)
		}
	}
	missing := map[content]*gateway.Policy{}
	for p, c := range contents {
		if prev != nil && prev.policies[c] != nil {
			t.policies[c] = prev.policies[c]
		} else {
			missing[c] = p
		}
	}
	files := &dataFiles{values: map[string]ast.Value{}}
	if prev != nil {
		files.before = prev.data
	}
	mistakes := compileMissing(missing, t.policies, newCompiling(files))
	t.data = files.values
	for p := range contents { // Those of policies that were taken over are needed on.
		for _, f := range allFiles(p) {
			if v := files.before[f.Sum]; v != nil && t.data[f.Sum] == nil {
				t.data[f.Sum] = v
			}
		}
	}
	compiled := make(map[*gateway.Policy]*policy, len(contents))
	var faults []gateway.Fault
	for p, c := range contents {
		compiled[p] = t.policies[c]
		for _, m := range mistakes[c] {
			faults = append(faults, m.fault(p))
		}
	}
	return compiled, faults
}

// compileAlone compiles one policy apart from any table.
func compileAlone(p *gateway.Policy) (*policy, []mistake) {
	with := newCompiling(&dataFiles{values: map[string]ast.Value{}})
	return with.compilePolicy(p)
}

// compileMissing compiles policies on all processors, adds what compiles to done and returns the mistakes of the rest.
// One processor is left to the Checks that come meanwhile, and they go first after each policy.
func compileMissing(missing map[content]*gateway.Policy, done map[content]*policy, with compiling) map[content][]mistake {
	var (
		mu       sync.Mutex
		workers  sync.WaitGroup
		mistakes = map[content][]mistake{}
		queue    = make(chan content, len(missing))
	)
	for _, c := range slices.Collect(maps.Keys(missing)) {
		queue <- c
	}
	close(queue)
	for range min(len(missing), max(1, runtime.GOMAXPROCS(0)-1)) {
		workers.Go(func() {
			for c := range queue {
				p, wrong := with.compilePolicy(missing[c])
				if p != nil {
					p.settle()
				}
				mu.Lock()
				if p != nil {
					done[c] = p
				} else {
					mistakes[c] = wrong
				}
				mu.Unlock()
				runtime.Gosched()
			}
		})
	}
	workers.Wait()
	return mistakes
}

// allFiles returns the files of data of a policy and of all that it imports.
func allFiles(p *gateway.Policy) []gateway.DataFile {
	files := slices.Clone(p.DataFiles)
	for _, other := range p.Imported {
		files = append(files, other.DataFiles...)
	}
	return files
}
