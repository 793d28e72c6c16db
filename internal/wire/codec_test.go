package wire_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/internal/wire"
)

// heard is a StringValue that reads itself, and refuses one word.
type heard struct{ text string }

func (h *heard) ReadWire(data []byte) error {
	r := wire.NewReader(data)
	for r.Next() {
		if r.Tag == 1<<3|wire.Bytes {
			h.text = r.Text()
		}
	}
	if h.text == "nonsense" {
		return errors.New("nobody says that")
	}
	return r.Err()
}

// said is one that writes itself, where it is short.
type said struct{ *wrapperspb.StringValue }

func (s said) AppendWire(to []byte) ([]byte, bool) {
	text := s.GetValue()
	if len(text) > 100 {
		return to, false
	}
	return append(append(to, 1<<3|byte(wire.Bytes), byte(len(text))), text...), true
}

// echo answers with the text that it is given.
func echo(_ any, _ context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var in heard
	if err := read(&in); err != nil {
		return nil, err
	}
	return said{wrapperspb.String(in.text)}, nil
}

// plain answers with the number that it is given, by package proto.
func plain(_ any, _ context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	in := &wrapperspb.UInt64Value{}
	return in, read(in)
}

// dial serves both and returns a connection.
func dial(t *testing.T) *grpc.ClientConn {
	t.Helper()
	dir, err := os.MkdirTemp("", "wire")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.ForceServerCodecV2(wire.Codec()))
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Echo", Handler: echo}, {MethodName: "Plain", Handler: plain}},
	}, 0)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestCodec holds that a client of package proto understands what messages write and read themselves, and all others too: of one frame and of
// many, again and again in the same buffers.
func TestCodec(t *testing.T) {
	t.Parallel()
	conn := dial(t)
	for range 3 {
		for _, size := range []int{0, 5, 99, 2_000, 20_000, 70_000, 1_200_000} {
			want := string(bytes.Repeat([]byte{'x'}, size))
			got := &wrapperspb.StringValue{}
			if err := conn.Invoke(t.Context(), "/test/Echo", wrapperspb.String(want), got); err != nil {
				t.Fatal(err)
			}
			if got.GetValue() != want {
				t.Errorf("%d bytes went out, %d came back", size, len(got.GetValue()))
			}
		}
		got := &wrapperspb.UInt64Value{}
		if err := conn.Invoke(t.Context(), "/test/Plain", wrapperspb.UInt64(7), got); err != nil || got.GetValue() != 7 {
			t.Errorf("got %v, %v", got, err)
		}
	}
}

// TestRefused holds that a message that cannot be read ends its call as one that package proto cannot read.
func TestRefused(t *testing.T) {
	t.Parallel()
	err := dial(t).Invoke(t.Context(), "/test/Echo", wrapperspb.String("nonsense"), &wrapperspb.StringValue{})
	if status.Code(err) != codes.Internal {
		t.Errorf("got %v", err)
	}
}
