package check_test

import (
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/authz/check"
)

func allowing(tb testing.TB) *authv3.CheckResponse {
	tb.Helper()
	metadata, err := structpb.NewStruct(map[string]any{"rules": "c0ffee", "limits": "counted"})
	if err != nil {
		tb.Fatal(err)
	}
	to := func(name, value string) *corev3.HeaderValueOption {
		return &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: name, Value: value}}
	}
	return &authv3.CheckResponse{
		Status: &rpcstatus.Status{}, DynamicMetadata: metadata,
		HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{ResponseHeadersToAdd: []*corev3.HeaderValueOption{
			to("x-ratelimit-limit", `5, 5;w=60;name="per-customer"`), to("x-ratelimit-remaining", "4"), to("x-ratelimit-reset", "60"),
		}}},
	}
}

// rich returns an answer with all that is written by hand, and more than one byte of length everywhere.
func rich(tb testing.TB) *authv3.CheckResponse {
	tb.Helper()
	a := allowing(tb)
	ok := a.GetOkResponse()
	long := strings.Repeat("long ", 100)
	ok.HeadersToRemove = []string{"x-api-key", ""}
	ok.Headers = []*corev3.HeaderValueOption{
		{},
		{Header: &corev3.HeaderValue{Key: "a", Value: long}, Append: wrapperspb.Bool(true), KeepEmptyValue: true},
		{Append: wrapperspb.Bool(false), AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS},
	}
	more, err := structpb.NewStruct(map[string]any{"n": 1.5, "zero": 0, "l": []any{nil, true, false, "", map[string]any{"": long}}, "o": map[string]any{}})
	if err != nil {
		tb.Fatal(err)
	}
	a.DynamicMetadata = more
	return a
}

// TestResponse holds that an answer is read as it was meant, whoever writes it.
func TestResponse(t *testing.T) {
	t.Parallel()
	for _, want := range []*authv3.CheckResponse{allowing(t), rich(t)} {
		data, ok := check.Response{CheckResponse: want}.AppendWire(nil)
		if !ok {
			t.Fatal("it is not written by hand")
		}
		got := &authv3.CheckResponse{}
		if err := proto.Unmarshal(data, got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestLeft holds that what is rare, and what is wrong, is left to package proto.
func TestLeft(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*authv3.CheckResponse, *authv3.OkHttpResponse){
		"a refusal": func(a *authv3.CheckResponse, _ *authv3.OkHttpResponse) {
			a.HttpResponse = &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{}}
		},
		"a message": func(a *authv3.CheckResponse, _ *authv3.OkHttpResponse) { a.Status.Message = "x" },
		"no status": func(a *authv3.CheckResponse, _ *authv3.OkHttpResponse) { a.Status = nil },
		"no UTF-8":  func(_ *authv3.CheckResponse, ok *authv3.OkHttpResponse) { ok.HeadersToRemove = []string{"\xff"} },
		"raw values": func(_ *authv3.CheckResponse, ok *authv3.OkHttpResponse) {
			ok.ResponseHeadersToAdd[0].Header.RawValue = []byte{1}
		},
		"a query": func(_ *authv3.CheckResponse, ok *authv3.OkHttpResponse) { ok.QueryParametersToRemove = []string{"x"} },
	} {
		a := allowing(t)
		change(a, a.GetOkResponse())
		if _, ok := (check.Response{CheckResponse: a}).AppendWire(nil); ok {
			t.Errorf("%s is written by hand", name)
		}
	}
}

// FuzzResponse holds that whatever is written by hand is read as what package proto would have written.
func FuzzResponse(f *testing.F) {
	for _, a := range []*authv3.CheckResponse{{}, allowing(f), rich(f)} {
		data, err := proto.Marshal(a)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		want, got := &authv3.CheckResponse{}, &authv3.CheckResponse{}
		if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, want); err != nil {
			return
		}
		written, ok := check.Response{CheckResponse: want}.AppendWire(nil)
		if !ok {
			return
		}
		if err := proto.Unmarshal(written, got); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(want, got) {
			t.Errorf("(-want +got):\n%s", cmp.Diff(want, got, protocmp.Transform()))
		}
	})
}

func BenchmarkResponse(b *testing.B) {
	a := allowing(b)
	b.Run("by hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := (check.Response{CheckResponse: a}).AppendWire(make([]byte, 0, 512)); !ok {
				b.Fatal()
			}
		}
	})
	b.Run("by reflection", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := proto.Marshal(a); err != nil {
				b.Fatal(err)
			}
		}
	})
}
