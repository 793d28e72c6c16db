package cache

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/encoding"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
)

// TestEncodedResponse holds the bytes of a response whose resources are put together from shared parts to what the message
// says.
func TestEncodedResponse(t *testing.T) {
	t.Parallel()
	s, err := NewSnapshot("edge", "1", []Item{
		{Message: message(clusters, "a", "1")}, {Message: message(clusters, "b", "2")}, {Message: message(endpoints, "a", "3")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for k := range kinds {
		o := output{kind: k, message: &discoveryv3.DeltaDiscoveryResponse{
			TypeUrl: k.url(), Nonce: "7", SystemVersionInfo: s.version, RemovedResources: []string{"gone", "lost"},
		}}
		for _, name := range s.sets[k].names {
			r := s.get(k, name)
			o.message.Resources = append(o.message.Resources, r.wire)
			o.fields = append(o.fields, r.field)
		}
		parts, err := codec{encoding.GetCodecV2("proto")}.Marshal(o.encode())
		if err != nil {
			t.Fatal(err)
		}
		got := &discoveryv3.DeltaDiscoveryResponse{}
		if err := proto.Unmarshal(parts.Materialize(), got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(o.message, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s: decoded (-want +got):\n%s", k.url(), diff)
		}
		if parts.Len() != proto.Size(o.message) {
			t.Errorf("%s: %d bytes, want %d", k.url(), parts.Len(), proto.Size(o.message))
		}
	}
}
