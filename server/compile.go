package server

import (
	"github.com/gatehouse/gatehouse/analytics"
	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/assign"
	"github.com/gatehouse/gatehouse/xds"
	"github.com/gatehouse/gatehouse/xds/translate"
)

// compiled is a revision as every service understands it.
type compiled struct {
	revision  *gateway.Revision
	observed  *gateway.Observed
	authz     *authz.Table
	ratelimit *ratelimit.Table
	assign    *assign.Table
	analytics *analytics.Table
	xds       *xds.Table
	reducer   *authz.Reducer

	kept gateway.Faults // Of what was observed and is not used: what was observed before stays.
}

// compile assembles documents and compiles the revision for every service. It touches nothing live; prev (nil: nothing)
// gives what did not change. All faults of all services come back at once.
func compile(docs *gateway.Documents, from files, prev *compiled) (*compiled, gateway.Faults) {
	if prev == nil {
		prev = &compiled{}
	}
	reducer := prev.reducer
	if reducer == nil {
		reducer = authz.NewReducer()
	}
	rev, faults := gateway.AssembleAfter(docs, prev.revision, reducer.Reduce)
	next := &compiled{revision: rev, reducer: reducer}
	var found []gateway.Fault
	next.observed, next.kept, found = observe(rev, from, prev)
	faults = append(faults, found...)
	next.authz, found = authz.Compile(rev, prev.authz)
	faults = append(faults, found...)
	next.ratelimit, found = ratelimit.Compile(rev, prev.ratelimit)
	faults = append(faults, found...)
	next.assign, found = assign.Compile(rev)
	faults = append(faults, found...)
	next.analytics, found = analytics.Compile(rev, prev.analytics)
	faults = append(faults, found...)
	if len(faults) == 0 {
		// What does not hold together cannot be said to Envoy.
		next.xds, found = xds.Compile(rev, next.observed, prev.xds)
		faults = append(faults, found...)
	}
	return next, faults.Sort()
}

// Checked is a directory of documents that can be served.
type Checked struct {
	Revision *gateway.Revision
	Fleets   map[string]*translate.Resources
}

// Check is Work.Check of a directory alone.
func Check(dir string, lookup func(string) (string, bool)) (*Checked, gateway.Faults) {
	return Work{Dir: dir}.Check(lookup)
}
