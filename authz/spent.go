package authz

import (
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
)

// Headers by which a client is told how its limits stand: those of draft-ietf-httpapi-ratelimit-headers, and those of
// draft-polli-ratelimit-headers-03 as Envoy writes them.
const (
	headerPolicy    = "ratelimit-policy"
	headerStanding  = "ratelimit"
	headerLimit     = "x-ratelimit-limit"
	headerRemaining = "x-ratelimit-remaining"
	headerReset     = "x-ratelimit-reset"
)

// plain is allow where there is nothing to say but how the limits stand, which is most often.
func (c *counted) plain() *authv3.CheckResponse {
	made := &struct {
		response authv3.CheckResponse
		status   rpcstatus.Status
		allowed  authv3.CheckResponse_OkResponse
		ok       authv3.OkHttpResponse
	}{}
	made.ok.ResponseHeadersToAdd = c.spent.headers()
	made.allowed.OkResponse = &made.ok
	made.response.Status, made.response.HttpResponse, made.response.DynamicMetadata = &made.status, &made.allowed, c.evidence
	return &made.response
}

// told lists what a client is told, whether it is refused or not.
func (s *Spent) told() []header {
	all := s.all()
	return slices.DeleteFunc(all[:], func(h header) bool { return h.value == "" })
}

// all lists the same, with those headers too that are empty: they are not told.
func (s *Spent) all() [5]header {
	return [...]header{
		{headerPolicy, s.Policy}, {headerStanding, s.Standing}, {headerLimit, s.Limit}, {headerRemaining, s.Remaining}, {headerReset, s.Reset},
	}
}

// headers are what a client is told. Like the rate limit filter's they come beside those of the same name from an upstream.
func (s *Spent) headers() []*corev3.HeaderValueOption {
	all, many := s.all(), 0
	for _, h := range all {
		if h.value != "" {
			many++
		}
	}
	type pair struct { // Made together: each answer has some.
		option corev3.HeaderValueOption
		header corev3.HeaderValue
	}
	list, made := make([]*corev3.HeaderValueOption, 0, many), make([]pair, many)
	for _, h := range all {
		if h.value == "" {
			continue
		}
		p := &made[len(list)]
		p.header.Key, p.header.Value = h.name, h.value
		p.option.Header, p.option.AppendAction = &p.header, corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD
		list = append(list, &p.option)
	}
	return list
}
