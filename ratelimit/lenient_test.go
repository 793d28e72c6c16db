package ratelimit_test

import (
	"bytes"
	"testing"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse/gatehouse/ratelimit"
)

// TestCodecReadsAnyBytes reads calls with values that are no UTF-8, which stay apart, and still refuses what is no call.
func TestCodecReadsAnyBytes(t *testing.T) {
	t.Parallel()
	call := func(value string) []byte {
		text, err := proto.Marshal(&rlsv3.RateLimitRequest{Domain: "gatehouse", HitsAddend: 3, Descriptors: []*ratelimitcommonv3.RateLimitDescriptor{
			{Entries: []*ratelimitcommonv3.RateLimitDescriptor_Entry{{Key: "rules", Value: "r"}, {Key: "header.x", Value: "....." + value}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for written, want := range map[string]string{"plain": "plain", "a\xffb": "a\uFFFDffb", "\xc3": "\uFFFDc3", "ü\xfe": "ü\uFFFDfe"} {
		mark := bytes.Repeat([]byte("#"), len(written))
		text := bytes.Replace(call(string(mark)), mark, []byte(written), 1)
		got := &rlsv3.RateLimitRequest{}
		if err := ratelimit.Codec(encoding.GetCodecV2(grpcproto.Name)).Unmarshal(mem.BufferSlice{mem.SliceBuffer(text)}, got); err != nil {
			t.Fatalf("%q: %v", written, err)
		}
		if value := got.GetDescriptors()[0].GetEntries()[1].GetValue(); value != "....."+want || got.GetHitsAddend() != 3 || got.GetDomain() != "gatehouse" {
			t.Errorf("%q is read as %v", written, got)
		}
	}
	for _, text := range []string{"\x12", "\x12\x05abc", "\xff\xff", "\x0a\x02\xff\xff"} {
		if err := ratelimit.Codec(encoding.GetCodecV2(grpcproto.Name)).Unmarshal(mem.BufferSlice{mem.SliceBuffer([]byte(text))}, &rlsv3.RateLimitRequest{}); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}
