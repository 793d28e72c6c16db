package analytics

import (
	"strings"
	"time"
	"unicode"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gatehouse/gatehouse/envoy"
)

// Bounds of what is taken from an entry.
const (
	maxName     = 128
	maxDetails  = 256
	maxDuration = 30 * 24 * time.Hour
	maxSkew     = 31 * 24 * time.Hour
	maxBytes    = 1 << 44
	maxStatus   = 999
)

// final reports whether an entry is the one that ends its request: an access log may also be configured to write entries
// at the start and periodically.
func (e *entry) final() bool {
	return e.kind == datav3.AccessLogType_NotSet || e.kind == datav3.AccessLogType_DownstreamEnd
}

// record makes the record of an entry. It takes whatever it is given: what is missing or makes no sense stays zero. Time is arrived where
// the entry tells none; where it came from and its number are for the caller to set.
func (t *Table) record(e *entry, arrived time.Time) Record {
	path, _, _ := strings.Cut(e.path, "?")
	r := Record{
		entry: e, Path: clean(path, maxDetails),
		Time:      arrived,
		RequestID: clean(e.requestID, maxName),
		API:       clean(e.api, maxName),
		Version:   clean(e.version, maxName),
		Operation: clean(e.operation, maxName),
		Rules:     clean(e.rules, maxName),
		Method:    method(e.method),
		Status:    int(min(e.status, maxStatus)), //nolint:gosec // At most 999.
		Details:   clean(e.details, maxDetails),
		Flags:     flags(e.flags),
		FirstByte: length(&e.first),
		LastByte:  length(&e.last),
		BytesIn:   min(e.bytesIn, maxBytes),
		BytesOut:  min(e.bytesOut, maxBytes),
	}
	r.Class = classOf(r.Status)
	r.Answered = responder(&r)
	r.Limited = r.Details == detailsLimited || r.Details == envoy.DetailsQuota || r.Details == detailsDenied && e.checkLimits == envoy.LimitsRefused
	if e.start.IsValid() && arrived.Sub(e.start.AsTime()).Abs() <= maxSkew {
		r.Time = e.start.AsTime()
	}
	if r.LastByte == 0 {
		r.LastByte = length(&e.all)
	}
	r.LetThrough = t.letThrough(&r, e)
	return r
}

// letThrough finds out which calls to Gatehouse failed on a request that reached its upstream. The authorization filter
// adds a request header where it lets a request go on after a failure, and translate has that header logged. The rate limit
// filter leaves no trace then; so the evidence is the other way round: each answer of the rate limit service carries the
// rules as dynamic metadata, of which entries hold all, and a limited route's request without them was not limited. A Check that
// spends the limits says whether they counted the request.
func (t *Table) letThrough(r *Record, e *entry) LetThrough {
	if r.Answered != Upstream && !e.reachedUpstream {
		return LetThrough{}
	}
	known := t.rules[r.Rules]
	return LetThrough{
		Authorization: e.letThrough,
		Limits:        known.limited && e.limitRules != r.Rules || known.spends && e.checkLimits != envoy.LimitsCounted,
	}
}

// What Envoy's response code details say of a request that the authorization service or the rate limit service refused.
const (
	detailsDenied  = "ext_authz_denied"
	detailsLimited = "request_rate_limited"
)

// responder tells who answered by Envoy's response code details. Only what came from an upstream says so
// ("via_upstream", or with a cache "insert_via_upstream"); an answer that broke off came from it as well.
func responder(r *Record) Responder {
	switch {
	case r.Status == 0:
		return Nobody
	case strings.HasSuffix(r.Details, "via_upstream"), strings.HasPrefix(r.Details, "upstream_reset_after_response_started"):
		return Upstream
	case r.Details == detailsDenied, r.Details == detailsLimited:
		return Gatehouse
	}
	return Envoy
}

// method returns the name of a request method, OTHER for those that the enumeration lacks.
func method(number uint64) string {
	m := corev3.RequestMethod(number) //nolint:gosec // How an enumeration is written.
	if name, ok := corev3.RequestMethod_name[int32(m)]; ok && m != corev3.RequestMethod_METHOD_UNSPECIFIED {
		return name
	}
	return "OTHER"
}

// length returns a duration between 0 and maxDuration; 0 for none.
func length(d *durationpb.Duration) time.Duration {
	return max(0, min(d.AsDuration(), maxDuration))
}

// clean cuts a text to at most limit bytes of printable characters.
func clean(s string, limit int) string {
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	if strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	return strings.Map(func(c rune) rune {
		if unprintable(c) {
			return '?'
		}
		return c
	}, s)
}

func unprintable(c rune) bool { return c == unicode.ReplacementChar || !unicode.IsPrint(c) }
