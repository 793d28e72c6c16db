package analytics

// Feed counts messages as one stream would that brought them, without gRPC.
func (s *Service) Feed(fleet, node string, messages ...*message) {
	src := &source{stream: s.streams.Add(1), fleet: fleet, node: node, named: true}
	for _, m := range messages {
		s.take(src, m)
	}
}
