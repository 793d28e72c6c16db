package envoy

import (
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// How an Envoy tells replicas that answer from those that do not.
const (
	healthEvery   = 2 * time.Second
	healthLimit   = time.Second
	healthAgain   = 500 * time.Millisecond // While one does not answer.
	healthJitter  = 20                     // Per cent of healthEvery.
	healthFailed  = 2                      // Checks in a row.
	failuresMost  = 3                      // Calls in a row that got no answer at all.
	ejectedFirst  = 5 * time.Second        // A health check that is answered ends it sooner.
	ejectedMost   = 10 * time.Second
	ejectionsLook = 500 * time.Millisecond
	// panicBelow is the percentage of healthy replicas below which all are asked, healthy or not: where there is none. One that is
	// alone, and was restarted, is so found by the next call and not by the next check.
	panicBelow = 1
)

// healthCheck asks a replica whether it serves, by the gRPC health protocol.
func healthCheck() *corev3.HealthCheck {
	return &corev3.HealthCheck{
		Timeout:               durationpb.New(healthLimit),
		Interval:              durationpb.New(healthEvery),
		IntervalJitterPercent: healthJitter,
		NoTrafficInterval:     durationpb.New(healthEvery), // Envoy's own, a minute, would not know who is there when traffic begins.
		UnhealthyInterval:     durationpb.New(healthAgain),
		UnhealthyEdgeInterval: durationpb.New(healthAgain),
		UnhealthyThreshold:    wrapperspb.UInt32(healthFailed),
		HealthyThreshold:      wrapperspb.UInt32(1),
		HealthChecker:         &corev3.HealthCheck_GrpcHealthCheck_{GrpcHealthCheck: &corev3.HealthCheck_GrpcHealthCheck{}},
	}
}

// choice lets workers choose by what is known at once: by Envoy's default they hear of it up to a second later.
func choice() *clusterv3.Cluster_CommonLbConfig {
	return &clusterv3.Cluster_CommonLbConfig{
		HealthyPanicThreshold: &typev3.Percent{Value: panicBelow},
		UpdateMergeWindow:     durationpb.New(0),
	}
}

// outliers leave out a replica that gives no answer, sooner than health checks do. What a replica answers with is no reason: that
// limits have no store, all replicas say.
func outliers() *clusterv3.OutlierDetection {
	never := wrapperspb.UInt32(0)
	return &clusterv3.OutlierDetection{
		SplitExternalLocalOriginErrors:         true,
		ConsecutiveLocalOriginFailure:          wrapperspb.UInt32(failuresMost),
		EnforcingConsecutiveLocalOriginFailure: wrapperspb.UInt32(100),
		EnforcingConsecutive_5Xx:               never,
		EnforcingConsecutiveGatewayFailure:     never,
		EnforcingSuccessRate:                   never,
		EnforcingLocalOriginSuccessRate:        never,
		Interval:                               durationpb.New(ejectionsLook),
		BaseEjectionTime:                       durationpb.New(ejectedFirst),
		MaxEjectionTime:                        durationpb.New(ejectedMost),
		MaxEjectionPercent:                     wrapperspb.UInt32(100),
	}
}
