package translate

import (
	"time"

	faultcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/fault/v3"
	compositev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	exprv1 "google.golang.org/genproto/googleapis/api/expr/v1alpha1"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gatehouse/gatehouse/gateway"
)

// injecting returns which faults a route's requests meet. When they end Envoy itself compares, for each request: so they end in
// time also while nobody reaches the Envoy. Delay and answer meet the same requests.
func injecting(f *gateway.Injection) *compositev3.CompositePerRoute {
	all := &typev3.FractionalPercent{Numerator: 100}
	out := &faultv3.HTTPFault{DisableDownstreamClusterStats: true}
	if f.Delay > 0 {
		out.Delay = &faultcommonv3.FaultDelay{
			FaultDelaySecifier: &faultcommonv3.FaultDelay_FixedDelay{FixedDelay: durationpb.New(f.Delay)}, Percentage: all,
		}
	}
	if f.Abort != 0 {
		out.Abort = &faultv3.FaultAbort{ErrorType: &faultv3.FaultAbort_HttpStatus{HttpStatus: uint32(f.Abort)}, Percentage: all} //nolint:gosec // A status.
	}
	e := &expressions{}
	holds := e.call("_<_", e.field(e.variable("request"), "time", false), e.timestamp(f.Until))
	for _, h := range f.Headers {
		holds = e.call("_&&_", holds, e.header(drillTest(h)))
	}
	return whenever(holds, sampled(run(extension("fault", out)), f.Percent))
}

// drillTest returns the comparison of a header with texts, or whether it is there.
func drillTest(h gateway.HeaderTest) *gateway.Test {
	out := &gateway.Test{Of: gateway.OfHeader, Name: h.Name, Op: gateway.OpPresent}
	for _, v := range h.Values {
		out.Op, out.Values = gateway.OpEquals, append(out.Values, v)
	}
	return out
}

// timestamp returns a moment.
func (e *expressions) timestamp(t time.Time) *exprv1.Expr {
	out := e.node()
	out.ExprKind = &exprv1.Expr_CallExpr{CallExpr: &exprv1.Expr_Call{
		Function: "timestamp", Args: []*exprv1.Expr{e.text(t.UTC().Format(time.RFC3339))},
	}}
	return out
}
