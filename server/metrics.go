package server

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/gatehouse/gatehouse/analytics"
	"github.com/gatehouse/gatehouse/xds/cache"
)

// metrics reads the services' own counters when Prometheus asks. Labels are bounded: never a consumer, never a node.
type metrics struct {
	server *Server

	requests, latency, letThrough, entries, unrouted     *prometheus.Desc
	decisions, unknownRules, policyErrors, policyDropped *prometheus.Desc
	limits, limitsUnknown, limitsAway                    *prometheus.Desc
	nodes, tooOld                                        *prometheus.Desc
	xdsBytes, xdsResponses, xdsResources, xdsRefused     *prometheus.Desc
	delivery, deliveryLast                               *prometheus.Desc
	ready, quarantined, expires, routes                  *prometheus.Desc
}

// register adds every metric to the server's own registry.
func (s *Server) register() {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("gatehouse_"+name, help, labels, nil)
	}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &metrics{
		server:        s,
		requests:      desc("requests_total", "Requests answered, from the access log.", "api", "version", "operation", "class"),
		latency:       desc("request_duration_seconds", "Time from a request's first byte to its answer's last, from the access log.", "api", "version"),
		letThrough:    desc("let_through_total", "Requests let through because a call to Gatehouse failed.", "api", "call"),
		entries:       desc("access_log_entries_total", "Access log entries received."),
		unrouted:      desc("access_log_unrouted_total", "Access log entries without a route's identity."),
		decisions:     desc("authorization_decisions_total", "Authorization decisions.", "api", "version", "result"),
		unknownRules:  desc("authorization_unknown_rules_total", "Checks whose rules are missing or unknown; they are denied with 503."),
		policyErrors:  desc("policy_errors_total", "Policy evaluations without a usable answer; they are denied.", "kind"),
		policyDropped: desc("policy_dropped_total", "Parts of policies' answers that policies may not set.", "part"),
		limits:        desc("limit_requests_total", "What limits spent and gave back, by cost; and requests that they refused, would have refused in shadow mode, admitted with a fifth or less remaining, let through as their store was away, or took to cost 1 as their cost was no number.", "api", "version", "operation", "limit", "result"),
		limitsUnknown: desc("limit_unknown_total", "Rate limit calls that were not understood."),
		limitsAway:    desc("limit_store_away_total", "Rate limit calls for which the store could not be asked."),
		nodes:         desc("nodes", "Envoys known, by fleet, Envoy version and state.", "fleet", "envoy", "state"),
		tooOld:        desc("nodes_too_old", "Connected Envoys that are older than Gatehouse is tested with.", "fleet"),
		xdsBytes:      desc("xds_sent_bytes_total", "Bytes of xDS responses sent.", "type"),
		xdsResponses:  desc("xds_responses_total", "xDS responses sent.", "type"),
		xdsResources:  desc("xds_resources_total", "Resources sent in xDS responses.", "type"),
		xdsRefused:    desc("xds_refusals_total", "xDS responses that an Envoy refused.", "type"),
		delivery:      desc("delivery_seconds", "Time from a change's being for a node until the node had acknowledged all of it.", "fleet"),
		deliveryLast:  desc("delivery_last_seconds", "The same of the slowest node that has acknowledged the last change.", "fleet"),
		ready:         desc("ready", "1 when a revision is compiled and served."),
		quarantined:   desc("quarantined_apis", "APIs served by their last good version, or by 503."),
		expires:       desc("certificate_expires_seconds", "Seconds until a certificate in use expires; below 0 it has.", "certificate"),
		routes:        desc("routes", "Routes of the revision in use."),
	})
}

// Describe tells Prometheus what there is.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		m.requests, m.latency, m.letThrough, m.entries, m.unrouted, m.decisions, m.unknownRules, m.policyErrors, m.policyDropped,
		m.limits, m.limitsUnknown, m.limitsAway, m.nodes, m.tooOld, m.xdsBytes, m.xdsResponses, m.xdsResources, m.xdsRefused,
		m.delivery, m.deliveryLast,
		m.ready, m.quarantined, m.expires, m.routes,
	} {
		out <- d
	}
}

// Collect reads the counters.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	m.collectRequests(out)
	m.collectAuthorization(out)
	m.collectLimits(out)
	m.collectDelivery(out)
	now := m.server.live.Load()
	ready, routes := 0.0, 0
	if m.server.Ready() == nil {
		ready = 1
	}
	if now.compiled != nil {
		routes = len(now.revision.Routes)
	}
	if now.compiled != nil {
		for name, p := range now.observed.Certificates {
			gauge(out, m.expires, p.Until.Sub(m.server.options.Now()).Seconds(), name)
		}
	}
	gauge(out, m.ready, ready)
	gauge(out, m.quarantined, float64(len(now.substitutions)))
	gauge(out, m.routes, float64(routes))
}

func (m *metrics) collectRequests(out chan<- prometheus.Metric) {
	for _, r := range m.server.analytics.Requests() {
		counter(out, m.requests, r.Requests, r.API, r.Version, r.Operation, r.Class)
	}
	bounds := analytics.Buckets()
	for _, l := range m.server.analytics.Latencies() {
		buckets := make(map[float64]uint64, len(bounds))
		for i, bound := range bounds {
			buckets[bound] = l.Buckets[i]
		}
		out <- prometheus.MustNewConstHistogram(m.latency, l.Count, l.Sum, buckets, l.API, l.Version)
	}
	for _, l := range m.server.analytics.LetThrough() {
		counter(out, m.letThrough, l.Authorization, l.API, "authorization")
		counter(out, m.letThrough, l.Limits, l.API, "limits")
	}
	stats := m.server.analytics.Stats()
	counter(out, m.entries, stats.Received)
	counter(out, m.unrouted, stats.Unrouted)
}

func (m *metrics) collectAuthorization(out chan<- prometheus.Metric) {
	counts := m.server.authz.Counts()
	for _, d := range counts.Decisions {
		counter(out, m.decisions, d.Count, d.API, d.Version, d.Result.String())
	}
	counter(out, m.unknownRules, counts.UnknownRules)
	counter(out, m.policyErrors, counts.Undefined, "undefined")
	counter(out, m.policyErrors, counts.Timeouts, "timeout")
	counter(out, m.policyErrors, counts.Errors, "error")
	counter(out, m.policyErrors, counts.Panics, "panic")
	counter(out, m.policyDropped, counts.DroppedHeaders, "header")
	counter(out, m.policyDropped, counts.MappedStatuses, "status")
}

func (m *metrics) collectLimits(out chan<- prometheus.Metric) {
	counts := m.server.ratelimit.Counts()
	for _, l := range counts.Limits {
		m.collectLimit(out, l)
	}
	counter(out, m.limitsUnknown, counts.Unknown)
	counter(out, m.limitsAway, counts.Away)
}

func (m *metrics) collectDelivery(out chan<- prometheus.Metric) {
	type group struct{ fleet, envoy, state string }
	nodes, old := map[group]int{}, map[string]int{}
	elsewhere := m.server.elsewhere("")
	for _, n := range m.server.xds.Nodes() {
		if _, moved := elsewhere[nodeKey{n.Fleet, n.Name}]; moved && n.State == cache.StateDisconnected {
			continue // Another replica serves it.
		}
		nodes[group{n.Fleet, n.Envoy, string(n.State)}]++
		if n.Warning != "" && n.State != cache.StateDisconnected {
			old[n.Fleet]++
		} else {
			old[n.Fleet] += 0 // So that an alert ends.
		}
	}
	for fleet, count := range old {
		gauge(out, m.tooOld, float64(count), fleet)
	}
	for g, count := range nodes {
		gauge(out, m.nodes, float64(count), g.fleet, g.envoy, g.state)
	}
	bounds := cache.DeliveryBuckets()
	for _, d := range m.server.xds.Deliveries() {
		buckets := make(map[float64]uint64, len(bounds))
		for i, bound := range bounds {
			buckets[bound] = d.Buckets[i]
		}
		out <- prometheus.MustNewConstHistogram(m.delivery, d.Count, d.Sum, buckets, d.Fleet)
		gauge(out, m.deliveryLast, d.Last.Seconds(), d.Fleet)
	}
	for _, c := range m.server.xds.Counters() {
		kind := cache.ShortType(c.Type)
		counter(out, m.xdsBytes, c.Bytes, kind)
		counter(out, m.xdsResponses, c.Responses, kind)
		counter(out, m.xdsResources, c.Resources, kind)
		counter(out, m.xdsRefused, c.Refusals, kind)
	}
}

func counter(out chan<- prometheus.Metric, d *prometheus.Desc, value uint64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
}

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}
