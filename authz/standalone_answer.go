package authz

import (
	"net/http"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/open-policy-agent/opa/v1/ast"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// metadataDecisionID is the key of the dynamic metadata by which opa-envoy-plugin tells the id of a decision.
const metadataDecisionID = "decision_id"

// answer returns the answer to a Check in the form of opa-envoy-plugin: a boolean true says OK and no more, everything else
// has an HTTP response; the id of the decision is in the dynamic metadata.
func (s *Standalone) answer(a *asked) *authv3.CheckResponse {
	d := a.decision
	result := Allowed
	if d != nil {
		result = d.result
	}
	s.results[result].Add(1)
	var response *authv3.CheckResponse
	switch {
	case result != Allowed:
		response = s.refusal(a)
	case d != nil:
		response = d.allow("", s.tally)
	default:
		response = &authv3.CheckResponse{Status: &rpcstatus.Status{Code: int32(codes.OK)}}
		if _, isObject := a.value.(ast.Object); isObject {
			response.HttpResponse = &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{}}
		}
	}
	if s.options.DryRun && result != Allowed {
		response = &authv3.CheckResponse{
			Status:          &rpcstatus.Status{Code: int32(codes.OK)},
			HttpResponse:    &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{}},
			DynamicMetadata: response.GetDynamicMetadata(),
		}
	}
	if response.DynamicMetadata == nil {
		response.DynamicMetadata = &structpb.Struct{Fields: map[string]*structpb.Value{}}
	}
	delete(response.DynamicMetadata.Fields, envoy.MetadataAuthzRules)
	response.DynamicMetadata.Fields[metadataDecisionID] = structpb.NewStringValue(a.id)
	return response
}

// refusal returns the answer that refuses a request.
func (s *Standalone) refusal(a *asked) *authv3.CheckResponse {
	d := a.decision
	if s.options.Bare && d.body == nil && a.wrong == nil && a.value != nil {
		if _, isObject := a.value.(ast.Object); !isObject {
			return &authv3.CheckResponse{Status: &rpcstatus.Status{Code: int32(codes.PermissionDenied)}}
		}
		empty := ""
		d.body = &empty
	}
	return d.refuse(a.grpc(), s.tally)
}

// unready is the decision about a request while there is no policy yet: a bundle has not come.
func unready() *decision {
	return refuse(Failed, http.StatusServiceUnavailable, gateway.ProblemRulesUnknown,
		"The policies are not loaded yet.", header{"retry-after", "1"})
}
