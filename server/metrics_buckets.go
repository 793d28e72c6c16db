package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// bucketMetrics tell of the counts of limits that are in memory, and in the file that outlives the process.
type bucketMetrics struct {
	server                             *Server
	held, evicted, failed, bytes, took *prometheus.Desc
}

func newBucketMetrics(s *Server) *bucketMetrics {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("gatehouse_limit_buckets"+name, help, nil, nil)
	}
	return &bucketMetrics{
		server:  s,
		held:    desc("", "Counts of limits that are held in memory, one for each limit and key."),
		evicted: desc("_evicted_total", "Counts of limits that were forgotten to make room, though something was spent."),
		failed:  desc("_save_failed_total", "Times that the counts of limits could not be written to the state directory."),
		bytes:   desc("_saved_bytes", "Size of the file in which the counts of limits were written last."),
		took:    desc("_save_seconds", "How long it took to write the counts of limits the last time."),
	}
}

// Describe tells Prometheus what there is.
func (m *bucketMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.held, m.evicted, m.failed, m.bytes, m.took} {
		out <- d
	}
}

// Collect reads the counters.
func (m *bucketMetrics) Collect(out chan<- prometheus.Metric) {
	saved := &m.server.savedBuckets
	gauge(out, m.held, float64(m.server.buckets.Buckets()))
	counter(out, m.evicted, m.server.buckets.Evicted())
	counter(out, m.failed, saved.failed.Load())
	if last := saved.last.Load(); last != nil {
		gauge(out, m.bytes, float64(last.Bytes))
		gauge(out, m.took, time.Duration(saved.took.Load()).Seconds())
	}
}
