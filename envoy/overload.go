package envoy

import (
	"time"

	overloadv3 "github.com/envoyproxy/go-control-plane/envoy/config/overload/v3"
	connectionsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	heapv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/fixed_heap/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	monitorConnections = "envoy.resource_monitors.global_downstream_max_connections"
	monitorHeap        = "envoy.resource_monitors.fixed_heap"

	overloadRefresh = 250 * time.Millisecond
)

// Fractions of the heap limit at which an Envoy starts to defend itself: first it gives freed memory back and lets
// keep-alive connections go, then it answers new requests with 503.
const (
	heapShrink  = 0.92
	heapRelease = 0.95
	heapRefuse  = 0.98
)

// overloadManager limits client connections always, and the heap where a limit is set.
func overloadManager(s Settings, p *packer) *overloadv3.OverloadManager {
	manager := &overloadv3.OverloadManager{
		RefreshInterval: durationpb.New(overloadRefresh),
		ResourceMonitors: []*overloadv3.ResourceMonitor{
			monitor(p, monitorConnections, &connectionsv3.DownstreamConnectionsConfig{
				MaxActiveDownstreamConnections: s.connections(),
			}),
		},
	}
	if s.Heap == 0 {
		return manager
	}
	manager.ResourceMonitors = append(manager.ResourceMonitors,
		monitor(p, monitorHeap, &heapv3.FixedHeapConfig{MaxHeapSizeBytes: s.Heap}))
	manager.Actions = []*overloadv3.OverloadAction{
		atHeap("envoy.overload_actions.shrink_heap", heapShrink),
		atHeap("envoy.overload_actions.disable_http_keepalive", heapRelease),
		atHeap("envoy.overload_actions.stop_accepting_requests", heapRefuse),
	}
	return manager
}

// monitor returns the monitor of one resource.
func monitor(p *packer, name string, config proto.Message) *overloadv3.ResourceMonitor {
	return &overloadv3.ResourceMonitor{
		Name: name, ConfigType: &overloadv3.ResourceMonitor_TypedConfig{TypedConfig: p.pack(config)},
	}
}

// atHeap returns an action that starts when a fraction of the heap limit is in use.
func atHeap(action string, fraction float64) *overloadv3.OverloadAction {
	return &overloadv3.OverloadAction{
		Name: action,
		Triggers: []*overloadv3.Trigger{{
			Name: monitorHeap,
			TriggerOneof: &overloadv3.Trigger_Threshold{
				Threshold: &overloadv3.ThresholdTrigger{Value: fraction},
			},
		}},
	}
}
