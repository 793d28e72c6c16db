package translate

import (
	"slices"
	"strings"

	transcoderv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/grpc_json_transcoder/v3"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/gatehouse/gatehouse/gateway"
)

// noTranscoding is the filter without a route: it knows a descriptor of nothing, as Envoy wants one, and no service.
func noTranscoding() *transcoderv3.GrpcJsonTranscoder {
	return &transcoderv3.GrpcJsonTranscoder{DescriptorSet: &transcoderv3.GrpcJsonTranscoder_ProtoDescriptorBin{
		ProtoDescriptorBin: marshalled(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{Name: new("a")}}}),
	}}
}

// transcoding returns how the requests of a route below a base become calls. The route stays the one that was chosen: what is
// called is another path, and would be another route.
func transcoding(t *gateway.Transcoding, base string) *transcoderv3.GrpcJsonTranscoder {
	return &transcoderv3.GrpcJsonTranscoder{
		DescriptorSet:             &transcoderv3.GrpcJsonTranscoder_ProtoDescriptorBin{ProtoDescriptorBin: below(base, t)},
		Services:                  t.Services,
		MatchIncomingRequestRoute: true,
		ConvertGrpcStatus:         true,
		RequestValidationOptions:  &transcoderv3.GrpcJsonTranscoder_RequestValidationOptions{RejectUnknownMethod: true},
	}
}

// below returns descriptors whose HTTP rules (google/api/http.proto) stand below a base, as Envoy compares them with the path that
// the client sent. A method without a rule gets one: POST to /PACKAGE.SERVICE/METHOD, with the message as body.
func below(base string, t *gateway.Transcoding) []byte {
	base = strings.TrimSuffix(base, "/")
	set := &descriptorpb.FileDescriptorSet{}
	if proto.Unmarshal(t.Descriptors, set) != nil {
		return t.Descriptors // It was read when it was loaded.
	}
	for _, f := range set.File {
		for _, s := range f.Service {
			full := strings.TrimPrefix(f.GetPackage()+"."+s.GetName(), ".")
			if !slices.Contains(t.Services, full) {
				continue
			}
			for _, m := range s.Method {
				if m.Options == nil {
					m.Options = &descriptorpb.MethodOptions{}
				}
				rule, _ := proto.GetExtension(m.Options, annotations.E_Http).(*annotations.HttpRule)
				if rule == nil || rule.Pattern == nil {
					rule = &annotations.HttpRule{Pattern: &annotations.HttpRule_Post{Post: "/" + full + "/" + m.GetName()}, Body: "*"}
				}
				moveBelow(base, rule)
				proto.SetExtension(m.Options, annotations.E_Http, rule)
			}
		}
	}
	return marshalled(set)
}

func moveBelow(base string, rule *annotations.HttpRule) {
	switch p := rule.Pattern.(type) {
	case *annotations.HttpRule_Get:
		p.Get = base + p.Get
	case *annotations.HttpRule_Put:
		p.Put = base + p.Put
	case *annotations.HttpRule_Post:
		p.Post = base + p.Post
	case *annotations.HttpRule_Delete:
		p.Delete = base + p.Delete
	case *annotations.HttpRule_Patch:
		p.Patch = base + p.Patch
	case *annotations.HttpRule_Custom:
		p.Custom.Path = base + p.Custom.Path
	}
	for _, other := range rule.AdditionalBindings {
		moveBelow(base, other)
	}
}
