// Package analytics knows what the Envoys did: it receives their access logs over gRPC and keeps rollups in memory.
//
// In: streams of envoy.service.accesslog.v3 (HTTP entries of envoy.data.accesslog.v3), each entry with the name of its route,
// which says the API, version, operation and rules (envoy.RouteName); and a Table, compiled from a gateway.Revision, of the names that exist. Out: a
// Record of each finished request, rollups that answer a Query, and bounded counters for /metrics.
//
// # What the figures mean
//
// The access log is the fast, lossy view. Envoy drops entries in silence while its receiver is away or slow (its counter
// logs_dropped stays 0), so how many were lost cannot be known here. All figures count from the start of this process and
// hold what this replica received. What is billed comes from quota counters, never from here.
//
// A batch is counted whole before the stream that brought it ends, so a stop loses nothing that had arrived.
//
// # What is bounded
//
// A rollup is kept for each fleet, node, API, version, operation, rules and status class: a counter and a latency sketch
// of 1 % relative accuracy. Names that are in none of the last 50 tables count as Other, requests without a route as None.
// Beyond Options.MaxSeries rollups, those idle for longest are folded together: first their rules become Other, then their
// node, then their operation, at last everything but the status class. Folding keeps every total. The counters for
// /metrics are apart from the rollups, are never folded and never go backwards: the first 2,000 operations and the first
// 1,000 versions each have their own, the others share Other.
//
// Beside the rollups, the last ten minutes of each node are kept in steps of ten seconds: requests, errors, denials and a
// latency sketch of 5 % (Figures), by which a rollout judges. At most 1,000 nodes; those that are silent for longest go.
//
// Each hour's requests are also added up by API, version, operation and class (Hourly), for who keeps them. An hour has at most
// 20,000 such rows; what is beyond counts as Other.
//
// # How to ask
//
// A Query names the dimensions to keep (By), the values to select (Where) and the quantiles wanted; everything else is
// added up, and sketches are merged, so a quantile over many nodes is as accurate as over one. The slowest operations of an
// API:
//
//	totals, err := service.Query(analytics.Query{
//		By:        []analytics.Dimension{analytics.ByVersion, analytics.ByOperation},
//		Where:     map[analytics.Dimension]string{analytics.ByAPI: "payments"},
//		Quantiles: []float64{0.5, 0.99},
//	})
//
// Errors of one node, old rules beside new ones, all requests: By ByNode, ByRules or nothing at all. A Query over all
// dimensions returns the rollups as they are kept.
package analytics
