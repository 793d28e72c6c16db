package envoy

import (
	"strings"

	metricsv3 "github.com/envoyproxy/go-control-plane/envoy/config/metrics/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// statsConfig leaves out the bulk of the statistics and tags the rest with fleet and zone.
//
// What is left out is listed, not what is kept, so that statistics of a filter that comes later show by themselves.
func statsConfig(s Settings) *metricsv3.StatsConfig {
	tags := []*metricsv3.TagSpecifier{fixedTag("gatehouse.fleet", s.Fleet)}
	if s.Zone != "" {
		tags = append(tags, fixedTag("gatehouse.zone", s.Zone))
	}
	return &metricsv3.StatsConfig{
		StatsTags:         tags,
		UseAllDefaultTags: wrapperspb.Bool(true),
		StatsMatcher: &metricsv3.StatsMatcher{StatsMatcher: &metricsv3.StatsMatcher_ExclusionList{
			ExclusionList: &matcherv3.ListStringMatcher{Patterns: []*matcherv3.StringMatcher{{
				MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: excludedStats()}},
			}}},
		}},
	}
}

// fixedTag returns a tag with the same value on every statistic of one Envoy.
func fixedTag(name, value string) *metricsv3.TagSpecifier {
	return &metricsv3.TagSpecifier{TagName: name, TagValue: &metricsv3.TagSpecifier_FixedValue{FixedValue: value}}
}

// excludedStats returns the regular expression, which must match the whole name, of the statistics that nobody asks for.
// A cluster has about 140 and an Envoy has thousands of clusters; kept are membership, totals and status classes of
// requests, connections, time-outs, retries, overflows, health, ejections and the latency of requests. Figures per API
// come from the access log, not from here.
func excludedStats() string {
	perCluster := []string{
		`assignment_.*`, `bind_errors`, `default\.total_match_count`, `max_host_weight`, `original_dst_host_invalid`,
		`retry_or_shadow_abandoned`, `update_(?:attempt|empty|no_rebuild)`, `version`,
		`circuit_breakers\..*`, `http[12]\..*`, `(?:canary|external|internal|zone)\..*`,
		`lb_(?:local|recalculate|subsets|zone)_.*`, `membership_(?:change|excluded)`,
		`outlier_detection\.ejections_(?:detected|enforced_[a-su-z]|consecutive|success).*`,
		`health_check\.(?:attempt|degraded|network_failure|passive_failure|success|verify_cluster)`,
		`upstream_flow_control_.*`, `upstream_internal_redirect_.*`, `upstream_http3_broken`, `upstream_queue_overloaded`,
		`upstream_cx_(?:close_notify|connect_attempts_exceeded|connect_with_0_rtt|destroy|destroy_local.*|destroy_with.*` +
			`|http[123]_total|idle_timeout|length_ms|max_.*|none_healthy|pool_overflow|preconnect_skipped|.*_buffered)`,
		`upstream_rq_(?:0rtt|active_overflow|completed|maintenance_mode|max_duration_reached|pending_failure_eject` +
			`|pending_total|per_cx|retry_(?:backoff|limit).*|rx_reset_no_error|\d\d\d)`,
	}
	// Of clusters that are counted together, a gauge that each of them sets says only what the last of them set.
	together := `cluster\.` + StatUpstreams + `\.(?:membership_.*|warming_state|health_check\.healthy)`
	return `cluster\..+\.(?:` + strings.Join(perCluster, "|") + `)|` + together + `|` +
		`listener\..+\.(?:worker_\d+\..*|connections_accepted_per_socket_event|downstream_listener_filter_.*)|` +
		`http\.async-client\..*|thread_local_cluster_manager\..*`
}
