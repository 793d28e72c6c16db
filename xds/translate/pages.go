package translate

import (
	"strings"

	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	customv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/custom_response/v3"
	metadatav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_to_metadata/v3"
	localv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/custom_response/local_response_policy/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// pages returns the bodies that take the place of answers of some statuses. A page without `upstream` takes the place of problem
// documents alone, which only Gatehouse and Envoy write: what a policy or a route's own answer says stays. A gRPC caller gets none.
//
// The answer's details stay as they were, so that the access log tells what happened. Its headers Envoy forgets: those that say what
// the client is to do are written down by another filter before, and put back.
func pages(list []gateway.Page) *customv3.CustomResponse {
	m := &xdsmatcherv3.Matcher_MatcherList{}
	for _, p := range list {
		tests := []*xdsmatcherv3.Matcher_MatcherList_Predicate{
			statusIs(p.Status),
			{MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_NotMatcher{
				NotMatcher: single(&matcherv3.HttpRequestHeaderMatchInput{HeaderName: "content-type"}, beginning("application/grpc")),
			}},
		}
		if !p.Upstream {
			tests = append(tests,
				single(&matcherv3.HttpResponseLocalReplyMatchInput{}, equal("true")),
				single(&matcherv3.HttpResponseHeaderMatchInput{HeaderName: "content-type"}, equal(gateway.ProblemType)))
		}
		m.Matchers = append(m.Matchers, &xdsmatcherv3.Matcher_MatcherList_FieldMatcher{
			Predicate: &xdsmatcherv3.Matcher_MatcherList_Predicate{MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_AndMatcher{
				AndMatcher: &xdsmatcherv3.Matcher_MatcherList_Predicate_PredicateList{Predicate: tests},
			}},
			OnMatch: &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Action{
				Action: &xdscorev3.TypedExtensionConfig{Name: "page", TypedConfig: packed(&localv3.LocalResponsePolicy{
					Body:                      inlineBytes(p.Body),
					ResponseHeadersToAdd:      pageHeaders(p.Type),
					ResponseCodeDetailsAction: &localv3.LocalResponsePolicy_PreserveResponseCodeDetails{PreserveResponseCodeDetails: true},
				})},
			}},
		})
	}
	return &customv3.CustomResponse{CustomResponseMatcher: &xdsmatcherv3.Matcher{
		MatcherType: &xdsmatcherv3.Matcher_MatcherList_{MatcherList: m},
	}}
}

// keptHeaders are the headers of an answer that stay when a page takes the place of its body: what is missing, when to come back, what
// may be asked, and how limits stand (RFC 9110 11.6.1, 10.2.3, 10.2.1).
func keptHeaders() []string {
	return []string{
		"www-authenticate", "retry-after", "allow", "ratelimit", "ratelimit-policy", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset",
	}
}

// pageHeaders returns the media type of a page, and the headers that stay. One that was not there is not put back.
func pageHeaders(media string) []*corev3.HeaderValueOption {
	out := []*corev3.HeaderValueOption{setHeader("content-type", media)}
	for _, name := range keptHeaders() {
		out = append(out, setHeader(name, "%DYNAMIC_METADATA("+envoy.MetadataPages+":"+name+")%"))
	}
	return out
}

// keep writes down the headers that stay.
func keep() *metadatav3.Config {
	out := &metadatav3.Config{}
	for _, name := range keptHeaders() {
		out.ResponseRules = append(out.ResponseRules, &metadatav3.Config_Rule{
			Header: name, OnHeaderPresent: &metadatav3.Config_KeyValuePair{MetadataNamespace: envoy.MetadataPages, Key: name},
		})
	}
	return out
}

// withPages switches pages on for a route, or for all of a listener.
func withPages(filters map[string]*anypb.Any, list []gateway.Page) map[string]*anypb.Any {
	if len(list) == 0 {
		return filters
	}
	if filters == nil {
		filters = map[string]*anypb.Any{}
	}
	filters[envoy.FilterPages], filters[envoy.FilterPagesKeep] = packed(pages(list)), packed(keep())
	return filters
}

// statusIs holds for a status, or a class of them.
func statusIs(status string) *xdsmatcherv3.Matcher_MatcherList_Predicate {
	if strings.HasSuffix(status, "xx") {
		return single(&matcherv3.HttpResponseStatusCodeClassMatchInput{}, equal(status))
	}
	return single(&matcherv3.HttpResponseStatusCodeMatchInput{}, equal(status))
}

func single(input proto.Message, value *xdsmatcherv3.StringMatcher) *xdsmatcherv3.Matcher_MatcherList_Predicate {
	return &xdsmatcherv3.Matcher_MatcherList_Predicate{MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_{
		SinglePredicate: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate{
			Input:   &xdscorev3.TypedExtensionConfig{Name: "input", TypedConfig: packed(input)},
			Matcher: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_ValueMatch{ValueMatch: value},
		},
	}}
}

func equal(text string) *xdsmatcherv3.StringMatcher {
	return &xdsmatcherv3.StringMatcher{MatchPattern: &xdsmatcherv3.StringMatcher_Exact{Exact: text}}
}

func beginning(text string) *xdsmatcherv3.StringMatcher {
	return &xdsmatcherv3.StringMatcher{MatchPattern: &xdsmatcherv3.StringMatcher_Prefix{Prefix: text}}
}
