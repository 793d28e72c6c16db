package translate

import (
	bodysizev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/body_size_limit/v3"
	compositev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// boundedBody returns the bound of a route's bodies. Nothing is held back: a body that says its length is refused before it comes, any
// other is counted while it passes.
func boundedBody(bytes int64) *compositev3.CompositePerRoute {
	return forAll(extension("bound", &bodysizev3.BodySizeLimit{MaxRequestBytes: wrapperspb.UInt64(uint64(bytes))})) //nolint:gosec // Above 0.
}
