package analytics

import (
	alsv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/protobuf/proto"
)

// Feed counts messages as one stream would that brought them, without gRPC.
func (s *Service) Feed(fleet, node string, messages ...*alsv3.StreamAccessLogsMessage) {
	wire := make([][]byte, len(messages))
	for i, m := range messages {
		var err error
		if wire[i], err = proto.Marshal(m); err != nil {
			panic(err)
		}
	}
	if err := s.FeedWire(fleet, node, wire...); err != nil {
		panic(err)
	}
}

// FeedWire counts messages in protobuf's wire format. It fails for what is none.
func (s *Service) FeedWire(fleet, node string, messages ...[]byte) error {
	src := &source{stream: s.streams.Add(1), fleet: fleet, node: node, named: true}
	for _, m := range messages {
		if err := s.take(src, m); err != nil {
			return err
		}
	}
	return nil
}
