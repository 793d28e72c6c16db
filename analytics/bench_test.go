package analytics_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse/gatehouse/analytics"
	"github.com/gatehouse/gatehouse/gateway"
)

// entriesOf returns n entries spread over operations.
func entriesOf(n, operations int) []*datav3.HTTPAccessLogEntry {
	list := make([]*datav3.HTTPAccessLogEntry, n)
	for i := range list {
		name := fmt.Sprintf("op%d", i%operations)
		list[i] = entry(name, name, uint32(200+300*(i%10/9)), time.Duration(1+i%400)*time.Millisecond)
	}
	return list
}

func routesOf(operations int) []*gateway.Route {
	list := make([]*gateway.Route, operations)
	for i := range list {
		name := fmt.Sprintf("op%d", i)
		list[i] = route(name, name)
	}
	return list
}

// BenchmarkTake measures one entry, from the message to the counters.
func BenchmarkTake(b *testing.B) {
	s := newService(b, analytics.Options{}, routesOf(50)...)
	message, err := proto.Marshal(batch(entriesOf(50, 50)...))
	if err != nil {
		b.Fatal(err)
	}
	var nodes atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		node := fmt.Sprintf("edge-%d", nodes.Add(1))
		for i := 0; pb.Next(); i++ {
			if i%50 == 0 {
				if err := s.FeedWire("edge", node, message); err != nil {
					b.Error(err)
					return
				}
			}
		}
	})
}

// BenchmarkFull measures the memory of 20,000 rollups of 100 requests each, and queries over all of them.
func BenchmarkFull(b *testing.B) {
	const nodes, operations = 20, 1000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := newService(b, analytics.Options{}, routesOf(operations)...)
	for node := range nodes {
		for i := range 100 {
			list := entriesOf(operations, operations)
			for j, e := range list {
				e.Response.ResponseCode.Value = 200
				e.CommonProperties.TimeToLastDownstreamTxByte.Nanos = int32(1+(i*7+j)%400) * 1e6
			}
			s.Feed("edge", fmt.Sprintf("edge-%d", node), batch(list...))
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	perSeries := float64(after.HeapAlloc-before.HeapAlloc) / float64(s.Stats().Series)
	for name, q := range map[string]analytics.Query{
		"sums":      {By: []analytics.Dimension{analytics.ByOperation}},
		"quantiles": {By: []analytics.Dimension{analytics.ByOperation}, Quantiles: []float64{0.5, 0.99}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Query(q); err != nil {
					b.Fatalf("query: %v", err)
				}
			}
			b.ReportMetric(perSeries, "B/rollup")
			b.ReportMetric(float64(s.Stats().Series), "rollups")
		})
	}
}

// BenchmarkFold measures one fold of 20,000 rollups, which makes room for 2,000.
func BenchmarkFold(b *testing.B) {
	routes := routesOf(1000)
	message := batch(entriesOf(1000, 1000)...)
	for b.Loop() {
		b.StopTimer()
		s := newService(b, analytics.Options{}, routes...)
		for node := range 20 {
			s.Feed("edge", fmt.Sprintf("edge-%d", node), message)
		}
		one := batch(entry("op0", "op0", 404, time.Millisecond))
		b.StartTimer()
		s.Feed("edge", "edge-0", one)
		if s.Stats().Folded == 0 {
			b.Fatal("nothing was folded")
		}
	}
}
