package translate

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/gateway"
)

// maxEjections is how many times its usual time an endpoint that fails again and again is left out at most.
const maxEjections = 10

// healthCheck returns the active check. It runs at the same pace without traffic: Envoy would otherwise wait a minute.
func healthCheck(h *gateway.Health) *corev3.HealthCheck {
	out := &corev3.HealthCheck{
		Timeout:                      durationpb.New(h.Timeout),
		Interval:                     durationpb.New(h.Interval),
		NoTrafficInterval:            durationpb.New(h.Interval),
		IntervalJitterPercent:        10,
		HealthyThreshold:             wrapperspb.UInt32(uint32(h.Healthy)),
		UnhealthyThreshold:           wrapperspb.UInt32(uint32(h.Unhealthy)),
		AlwaysLogHealthCheckFailures: false,
	}
	switch h.Check {
	case gateway.HealthHTTP:
		check := &corev3.HealthCheck_HttpHealthCheck{Path: h.Path, Host: h.Host}
		for _, r := range h.Statuses {
			check.ExpectedStatuses = append(check.ExpectedStatuses, &typev3.Int64Range{Start: int64(r.From), End: int64(r.To) + 1})
		}
		out.HealthChecker = &corev3.HealthCheck_HttpHealthCheck_{HttpHealthCheck: check}
	case gateway.HealthGRPC:
		out.HealthChecker = &corev3.HealthCheck_GrpcHealthCheck_{
			GrpcHealthCheck: &corev3.HealthCheck_GrpcHealthCheck{ServiceName: h.Service, Authority: h.Host},
		}
	case gateway.HealthTCP:
		out.HealthChecker = &corev3.HealthCheck_TcpHealthCheck_{TcpHealthCheck: &corev3.HealthCheck_TcpHealthCheck{}}
	}
	return out
}

// outlierDetection returns who is left out for what requests tell. All that may count is written, as Envoy's defaults count
// success rates.
func outlierDetection(e *gateway.Ejection) *clusterv3.OutlierDetection {
	if e == nil {
		return nil
	}
	enforced := func(counts bool) *wrapperspb.UInt32Value {
		if counts {
			return wrapperspb.UInt32(100)
		}
		return wrapperspb.UInt32(0)
	}
	after := func(n int) *wrapperspb.UInt32Value { return wrapperspb.UInt32(uint32(max(n, 1))) }
	return &clusterv3.OutlierDetection{
		Interval:                               durationpb.New(e.Interval),
		BaseEjectionTime:                       durationpb.New(e.For),
		MaxEjectionTime:                        durationpb.New(maxEjections * e.For),
		MaxEjectionPercent:                     wrapperspb.UInt32(uint32(e.Most)),
		AlwaysEjectOneHost:                     wrapperspb.Bool(true),
		SplitExternalLocalOriginErrors:         true,
		Consecutive_5Xx:                        after(e.Errors),
		EnforcingConsecutive_5Xx:               enforced(e.Errors > 0),
		ConsecutiveGatewayFailure:              after(e.GatewayErrors),
		EnforcingConsecutiveGatewayFailure:     enforced(e.GatewayErrors > 0),
		ConsecutiveLocalOriginFailure:          after(e.Failures),
		EnforcingConsecutiveLocalOriginFailure: enforced(e.Failures > 0),
		EnforcingSuccessRate:                   enforced(e.SuccessRate),
		EnforcingLocalOriginSuccessRate:        enforced(e.SuccessRate),
		EnforcingFailurePercentage:             enforced(false),
		EnforcingFailurePercentageLocalOrigin:  enforced(false),
	}
}
