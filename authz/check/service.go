package check

import (
	"context"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
)

// Register makes a gRPC server answer Checks by s. Where the server has the Codec of internal/wire, they are read and written by hand.
func Register(r grpc.ServiceRegistrar, s authv3.AuthorizationServer) {
	described := authv3.Authorization_ServiceDesc
	described.Methods = []grpc.MethodDesc{{MethodName: "Check", Handler: handle}}
	r.RegisterService(&described, s)
}

// handle answers one call, as the generated code does it.
func handle(of any, ctx context.Context, read func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
	s, _ := of.(authv3.AuthorizationServer) // The server has made sure of it.
	in := &Request{}
	if err := read(in); err != nil {
		return nil, err
	}
	if interceptor == nil {
		out, err := s.Check(ctx, &in.CheckRequest)
		return answer(out, err)
	}
	info := &grpc.UnaryServerInfo{Server: of, FullMethod: authv3.Authorization_Check_FullMethodName}
	out, err := interceptor(ctx, &in.CheckRequest, info, func(ctx context.Context, asked any) (any, error) {
		q, _ := asked.(*authv3.CheckRequest)
		return s.Check(ctx, q)
	})
	response, _ := out.(*authv3.CheckResponse)
	return answer(response, err)
}

// answer returns what the server sends.
func answer(out *authv3.CheckResponse, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return Response{out}, nil
}
