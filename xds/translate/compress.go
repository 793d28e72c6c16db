package translate

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	brotliv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/compression/brotli/compressor/v3"
	gzipv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/compression/gzip/compressor/v3"
	zstdv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/compression/zstd/compressor/v3"
	compositev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	compressorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/compressor/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/gateway"
)

// partialContent is the status of a response with a range of bytes, which are those of the plain body.
const partialContent = 206

// compressing returns how the responses of a route are compressed, by one filter for each algorithm. The last one keeps the
// upstream from compressing by itself, so that what changes bodies sees them plain.
func compressing(c *gateway.Compression) *compositev3.CompositePerRoute {
	var filters []*corev3.TypedExtensionConfig
	for i, a := range c.Algorithms {
		filters = append(filters, extension(string(a), compressor(a, c, i == len(c.Algorithms)-1)))
	}
	return forAll(filters...)
}

func compressor(a gateway.Algorithm, c *gateway.Compression, last bool) *compressorv3.Compressor {
	var library proto.Message
	switch a {
	case gateway.Brotli:
		library = &brotliv3.Brotli{}
	case gateway.Zstd:
		library = &zstdv3.Zstd{}
	default:
		library = &gzipv3.Gzip{}
	}
	common := &compressorv3.Compressor_CommonDirectionConfig{MinContentLength: wrapperspb.UInt32(uint32(c.Minimum))} //nolint:gosec // Bounded by its document.
	for _, t := range c.Types {
		common.ContentTypeMatcher = append(common.ContentTypeMatcher, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: t}})
	}
	return &compressorv3.Compressor{
		CompressorLibrary: extension(string(a), library),
		ResponseDirectionConfig: &compressorv3.Compressor_ResponseDirectionConfig{
			CommonConfig: common, WeakenEtagOnCompress: true, RemoveAcceptEncodingHeader: last, UncompressibleResponseCodes: []uint32{partialContent},
		},
	}
}
