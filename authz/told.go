package authz

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// told returns an answer that also tells the upstream who calls, where it allows and Envoy cannot tell (gateway.Route.EnvoyTells).
// The answer itself may be one that many requests get, and stays as it is then.
func (r *request) told(response *authv3.CheckResponse) *authv3.CheckResponse {
	ok := response.GetOkResponse()
	if r.identity == nil || !r.rules.tells || ok == nil {
		return response
	}
	headers := r.identity.headers()
	if response != r.rules.allowed {
		ok.Headers = append(ok.Headers, headers...)
		return response
	}
	return &authv3.CheckResponse{
		Status:          response.GetStatus(),
		HttpResponse:    &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{Headers: headers, HeadersToRemove: ok.GetHeadersToRemove()}},
		DynamicMetadata: response.GetDynamicMetadata(),
	}
}

// headers returns what tells of an identity. What no header can carry is left out; whatever the client said of itself by such a
// header was removed before.
func (id *identity) headers() []*corev3.HeaderValueOption {
	list := make([]*corev3.HeaderValueOption, 0, len(envoy.ToldHeaders()))
	tell := func(name, value string) {
		if value != "" && isFieldValue(value) {
			list = append(list, option(name, value))
		}
	}
	tell(envoy.HeaderIdentity, string(id.kind))
	tell(envoy.HeaderConsumer, id.consumer)
	tell(envoy.HeaderApplication, id.application)
	tell(envoy.HeaderPlan, id.plan)
	if id.kind == gateway.ByIntrospection { // Envoy tells of the others itself.
		tell(envoy.HeaderIssuer, id.issuer)
		tell(envoy.HeaderSubject, id.text("sub"))
	}
	return list
}
