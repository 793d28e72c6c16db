package translate

import (
	"slices"
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	exprv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/rate_limit_descriptors/expr/v3"
	metadatav3 "github.com/envoyproxy/go-control-plane/envoy/type/metadata/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// splitPart splits a part of a limit's key, or where its cost stands, into what it is and the name in it: one without a name is
// all of it.
func splitPart(part string) (prefix, name string) {
	for _, prefix := range []string{gateway.CostResponseHeader, gateway.KeyHeader, gateway.KeyQuery, gateway.KeyToken, gateway.KeyPath} {
		if name, ok := strings.CutPrefix(part, prefix); ok {
			return prefix, name
		}
	}
	return part, ""
}

// What follows are single entries of descriptors. One for which a request has nothing is left out.

func constant(key, value string) *routev3.RateLimit_Action {
	return &routev3.RateLimit_Action{ActionSpecifier: &routev3.RateLimit_Action_GenericKey_{
		GenericKey: &routev3.RateLimit_Action_GenericKey{DescriptorKey: key, DescriptorValue: value},
	}}
}

func fromHeader(name, key string) *routev3.RateLimit_Action {
	return &routev3.RateLimit_Action{ActionSpecifier: &routev3.RateLimit_Action_RequestHeaders_{
		RequestHeaders: &routev3.RateLimit_Action_RequestHeaders{HeaderName: name, DescriptorKey: key, SkipIfAbsent: true},
	}}
}

// fromQuery takes the first value of a query parameter, decoded.
func fromQuery(name, key string) *routev3.RateLimit_Action {
	return &routev3.RateLimit_Action{ActionSpecifier: &routev3.RateLimit_Action_QueryParameters_{
		QueryParameters: &routev3.RateLimit_Action_QueryParameters{QueryParameterName: name, DescriptorKey: key, SkipIfAbsent: true},
	}}
}

// fromClaim takes a claim of the verified token that is a text.
func fromClaim(path, key string) *routev3.RateLimit_Action {
	return fromMetadata(key, envoy.MetadataJWT, append([]string{envoy.MetadataJWTClaims}, strings.Split(path, ".")...)...)
}

// fromMetadata takes a text that a filter has written down.
func fromMetadata(key, namespace string, path ...string) *routev3.RateLimit_Action {
	at := &metadatav3.MetadataKey{Key: namespace}
	for _, part := range path {
		at.Path = append(at.Path, &metadatav3.MetadataKey_PathSegment{Segment: &metadatav3.MetadataKey_PathSegment_Key{Key: part}})
	}
	return &routev3.RateLimit_Action{ActionSpecifier: &routev3.RateLimit_Action_Metadata{
		Metadata: &routev3.RateLimit_Action_MetaData{
			DescriptorKey: key, MetadataKey: at, Source: routev3.RateLimit_Action_MetaData_DYNAMIC, SkipIfAbsent: true,
		},
	}}
}

// computed takes what a CEL expression over Envoy's attributes gives, as a text.
func computed(key, expression string) *routev3.RateLimit_Action {
	return expressed(key, expression, true)
}

// holding stands for a condition in CEL. Where it does not hold, or cannot be told, there is no descriptor: an expression that fails
// takes it away, and so the condition chooses from a list of one.
func holding(condition string) *routev3.RateLimit_Action {
	return expressed(envoy.DescriptorWhen, "['1'][("+condition+") ? 0 : 1]", false)
}

func expressed(key, expression string, optional bool) *routev3.RateLimit_Action {
	return &routev3.RateLimit_Action{ActionSpecifier: &routev3.RateLimit_Action_Extension{Extension: &corev3.TypedExtensionConfig{
		Name: "envoy.rate_limit_descriptors.expr",
		TypedConfig: packed(&exprv3.Descriptor{
			DescriptorKey: key, SkipIfError: optional, ExprSpecifier: &exprv3.Descriptor_Text{Text: expression},
		}),
	}}}
}

// claimOf returns the CEL expression of a claim of the verified token, whatever kind of value it is.
func claimOf(path string) string {
	var out strings.Builder
	out.WriteString(allClaims())
	for part := range strings.SplitSeq(path, ".") {
		out.WriteString("[" + celText(part) + "]")
	}
	return out.String()
}

// allClaims returns the CEL expression of all claims of the verified token.
func allClaims() string {
	return "metadata.filter_metadata[" + celText(envoy.MetadataJWT) + "][" + celText(envoy.MetadataJWTClaims) + "]"
}

// firstClaim returns the CEL expression of the first of some claims that is a text, and not empty; it fails where none is.
func firstClaim(names ...string) string {
	all := allClaims()
	out := all + `[""][""]`
	for _, name := range slices.Backward(names) {
		claim := claimOf(name)
		out = celText(name) + " in " + all + " && type(" + claim + ") == string && " + claim + ` != "" ? ` + claim + " : (" + out + ")"
	}
	return out
}

// celText writes a text as CEL writes it.
func celText(text string) string { return strconv.QuoteToASCII(text) }
