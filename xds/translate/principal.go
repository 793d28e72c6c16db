package translate

import (
	"strconv"
	"strings"

	rbacconfigv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/gatehouse/gatehouse/gateway"
)

// What follows says conditions on a request in the words of Envoy's RBAC.

// matcherValue is what a value of the dynamic metadata is compared with.
type matcherValue = matcherv3.ValueMatcher

func anybody() *rbacconfigv3.Principal {
	return &rbacconfigv3.Principal{Identifier: &rbacconfigv3.Principal_Any{Any: true}}
}

func not(p *rbacconfigv3.Principal) *rbacconfigv3.Principal {
	return &rbacconfigv3.Principal{Identifier: &rbacconfigv3.Principal_NotId{NotId: p}}
}

func allOf(ids []*rbacconfigv3.Principal) *rbacconfigv3.Principal {
	if len(ids) == 1 {
		return ids[0]
	}
	return &rbacconfigv3.Principal{Identifier: &rbacconfigv3.Principal_AndIds{AndIds: &rbacconfigv3.Principal_Set{Ids: ids}}}
}

func anyOf(ids []*rbacconfigv3.Principal) *rbacconfigv3.Principal {
	if len(ids) == 1 {
		return ids[0]
	}
	return &rbacconfigv3.Principal{Identifier: &rbacconfigv3.Principal_OrIds{OrIds: &rbacconfigv3.Principal_Set{Ids: ids}}}
}

// header holds when the value of a header is of a form. It does not where the header is missing.
func header(name string, value *matcherv3.StringMatcher) *rbacconfigv3.Principal {
	return &rbacconfigv3.Principal{Identifier: &rbacconfigv3.Principal_Header{Header: &routev3.HeaderMatcher{
		Name: name, HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: value},
	}}}
}

func headerThere(name string) *rbacconfigv3.Principal {
	return &rbacconfigv3.Principal{Identifier: &rbacconfigv3.Principal_Header{Header: &routev3.HeaderMatcher{
		Name: name, HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true},
	}}}
}

// metadata holds when a value that another filter left behind is as asked for. It does not where the value is missing.
func metadata(namespace string, value *matcherValue, path ...string) *rbacconfigv3.Principal {
	m := &matcherv3.MetadataMatcher{Filter: namespace, Value: value}
	for _, key := range path {
		m.Path = append(m.Path, &matcherv3.MetadataMatcher_PathSegment{
			Segment: &matcherv3.MetadataMatcher_PathSegment_Key{Key: key},
		})
	}
	return &rbacconfigv3.Principal{Identifier: &rbacconfigv3.Principal_SourcedMetadata{
		SourcedMetadata: &rbacconfigv3.SourcedMetadata{MetadataMatcher: m},
	}}
}

// claimIs holds when a claim of the verified token is one of the values, or is a list that holds one of them. A boolean or a number
// is compared with values that are written as JSON writes it.
func claimIs(c gateway.ClaimTest) *rbacconfigv3.Principal {
	var values []*matcherValue
	for _, v := range c.Values {
		values = append(values, exactly(v))
		if v == "true" || v == "false" {
			values = append(values, &matcherValue{MatchPattern: &matcherv3.ValueMatcher_BoolMatch{BoolMatch: v == "true"}})
		}
		if n, err := strconv.ParseFloat(v, 64); err == nil && strconv.FormatFloat(n, 'f', -1, 64) == v {
			values = append(values, &matcherValue{MatchPattern: &matcherv3.ValueMatcher_DoubleMatch{
				DoubleMatch: &matcherv3.DoubleMatcher{MatchPattern: &matcherv3.DoubleMatcher_Exact{Exact: n}},
			}})
		}
	}
	one := oneOf(values)
	path := strings.Split(c.Name, ".")
	return anyOf([]*rbacconfigv3.Principal{claim(one, path...), claim(listHolding(one), path...)})
}

func oneOf(values []*matcherValue) *matcherValue {
	if len(values) == 1 {
		return values[0]
	}
	return &matcherValue{MatchPattern: &matcherv3.ValueMatcher_OrMatch{OrMatch: &matcherv3.OrMatcher{ValueMatchers: values}}}
}

func listHolding(element *matcherValue) *matcherValue {
	return &matcherValue{MatchPattern: &matcherv3.ValueMatcher_ListMatch{ListMatch: &matcherv3.ListMatcher{
		MatchPattern: &matcherv3.ListMatcher_OneOf{OneOf: element},
	}}}
}

func exactly(value string) *matcherValue { return text(literally(value)) }

func text(m *matcherv3.StringMatcher) *matcherValue {
	return &matcherValue{MatchPattern: &matcherv3.ValueMatcher_StringMatch{StringMatch: m}}
}

func present() *matcherValue {
	return &matcherValue{MatchPattern: &matcherv3.ValueMatcher_PresentMatch{PresentMatch: true}}
}

func literally(value string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: value}}
}

// expression compares the whole text with a regular expression (RE2).
func expression(re string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: re}}}
}
