package xds_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/xds"
)

func revision(b *testing.B, apis, ops int) *gateway.Revision {
	docs := &gateway.Documents{
		Gateways:  []*gateway.Gateway{{Name: "edge", Fleet: "edge", Timeouts: gateway.Timeouts{Authorization: time.Second, Limits: time.Second}, Listeners: []gateway.Listener{{Name: "http", Address: "127.0.0.1", Port: 8080, Hosts: []string{"*"}}}}},
		Upstreams: []*gateway.Upstream{{Name: "up", Endpoints: []gateway.Endpoint{{Address: "127.0.0.1:1", Weight: 1}}}},
		Issuers:   []*gateway.Issuer{{Name: "idp", Issuer: "https://idp.test", KeySet: []byte("{}")}},
		Policies:  []*gateway.Policy{{Name: "p", Source: "package p"}},
	}
	for i := range apis {
		api := &gateway.API{
			Kind: gateway.KindAPI, Name: fmt.Sprintf("a%d", i), Version: "v1", Unlisted: gateway.Refuse,
			Expose: []gateway.Exposure{{Gateway: "edge", Base: fmt.Sprintf("/a%d", i)}}, To: []gateway.Destination{{Upstream: "up", Weight: 1}},
			Authenticate: &gateway.Authenticate{Any: []gateway.Proof{{JWT: "idp"}}},
			Authorize:    []gateway.Authorization{{Policy: "p"}},
			Limits:       []gateway.Limit{{Name: "l", Key: []string{"token.sub"}, Windows: []gateway.Window{{Limit: 5, Per: time.Minute}}}},
		}
		for j := range ops {
			p, err := gateway.ParsePath(fmt.Sprintf("/r%d/{id}", j))
			if err != nil {
				b.Fatal(err)
			}
			api.Operations = append(api.Operations, gateway.Operation{ID: fmt.Sprintf("o%d", j), Match: gateway.Match{Methods: []string{"GET"}, Path: p}})
		}
		docs.APIs = append(docs.APIs, api)
	}
	rev, faults := gateway.Assemble(docs, nil)
	if len(faults) > 0 {
		b.Fatal(faults)
	}
	return rev
}

func BenchmarkCompile(b *testing.B) {
	rev := revision(b, 100, 50)
	for b.Loop() {
		if _, faults := xds.Compile(rev, nil, nil); len(faults) > 0 {
			b.Fatal(faults)
		}
	}
}
