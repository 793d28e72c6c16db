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
func final(e *datav3.HTTPAccessLogEntry) bool {
	t := e.GetCommonProperties().GetAccessLogType()
	return e != nil && (t == datav3.AccessLogType_NotSet || t == datav3.AccessLogType_DownstreamEnd)
}

// record reads an entry. It takes whatever it is given: what is missing or makes no sense stays zero. Time is arrived where
// the entry tells none; where it came from and its number are for the caller to set.
func (t *Table) record(e *datav3.HTTPAccessLogEntry, arrived time.Time) Record {
	common, request, response := e.GetCommonProperties(), e.GetRequest(), e.GetResponse()
	tags := common.GetCustomTags()
	r := Record{
		Time:      arrived,
		RequestID: clean(request.GetRequestId(), maxName),
		API:       clean(tags[envoy.KeyAPI], maxName),
		Version:   clean(tags[envoy.KeyVersion], maxName),
		Operation: clean(tags[envoy.KeyOperation], maxName),
		Rules:     clean(tags[envoy.KeyRules], maxName),
		Method:    method(request.GetRequestMethod()),
		Status:    int(min(response.GetResponseCode().GetValue(), maxStatus)),
		Details:   clean(response.GetResponseCodeDetails(), maxDetails),
		Flags:     flags(common.GetResponseFlags()),
		FirstByte: length(common.GetTimeToFirstDownstreamTxByte()),
		LastByte:  length(common.GetTimeToLastDownstreamTxByte()),
		BytesIn:   min(request.GetRequestBodyBytes(), maxBytes),
		BytesOut:  min(response.GetResponseBodyBytes(), maxBytes),
	}
	r.Class = classOf(r.Status)
	r.Answered = responder(&r)
	if r.API == routeAPI && r.Version == routeAPI {
		r.Version = ""
	}
	if start := common.GetStartTime(); start.IsValid() && arrived.Sub(start.AsTime()).Abs() <= maxSkew {
		r.Time = start.AsTime()
	}
	if r.LastByte == 0 {
		r.LastByte = length(common.GetDuration())
	}
	r.LetThrough = t.letThrough(&r, e)
	return r
}

// routeAPI is the API of a Route document (gateway.Route.API).
const routeAPI = "-"

// letThrough finds out which calls to Gatehouse failed on a request that reached its upstream. The authorization filter
// adds a request header where it lets a request go on after a failure, and translate has that header logged. The rate limit
// filter leaves no trace then; so the evidence is the other way round: each answer of the rate limit service carries the
// rules as dynamic metadata, of which entries hold all, and a limited route's request without them was not limited.
func (t *Table) letThrough(r *Record, e *datav3.HTTPAccessLogEntry) LetThrough {
	common := e.GetCommonProperties()
	if r.Answered != Upstream && common.GetUpstreamRemoteAddress() == nil {
		return LetThrough{}
	}
	var l LetThrough
	l.Authorization = e.GetRequest().GetRequestHeaders()[envoy.HeaderFailureModeAllowed] == "true"
	if _, limited := t.rulesOf(r); limited {
		answer := common.GetMetadata().GetFilterMetadata()[envoy.MetadataRateLimit]
		l.Limits = answer.GetFields()[envoy.MetadataRateLimitRules].GetStringValue() != r.Rules
	}
	return l
}

// responder tells who answered by Envoy's response code details. Only what came from an upstream says so
// ("via_upstream", or with a cache "insert_via_upstream"); an answer that broke off came from it as well.
func responder(r *Record) Responder {
	switch {
	case r.Status == 0:
		return Nobody
	case strings.HasSuffix(r.Details, "via_upstream"), strings.HasPrefix(r.Details, "upstream_reset_after_response_started"):
		return Upstream
	case r.Details == "ext_authz_denied", r.Details == "request_rate_limited":
		return Gatehouse
	}
	return Envoy
}

// method returns the name of a request method, OTHER for those that the enumeration lacks.
func method(m corev3.RequestMethod) string {
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
