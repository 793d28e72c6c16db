package analytics

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime/debug"
	"strings"
	"time"

	alsv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gatehouse/gatehouse/envoy"
)

type server = grpc.ClientStreamingServer[alsv3.StreamAccessLogsMessage, alsv3.StreamAccessLogsResponse]

// source is where the entries of one stream come from.
type source struct {
	stream      uint64
	fleet, node string
	named       bool // The certificate or the node header said so; then that counts and the identifier does not.
	foreign     bool // Another log than ours.
	sequence    uint64
}

// StreamAccessLogs takes one worker's access log until it ends or Stop is called. A panic ends only this stream, with
// INTERNAL, and is counted.
func (s *Service) StreamAccessLogs(stream server) (err error) {
	if !s.enter() {
		return status.Error(codes.Unavailable, "gatehouse stops: no new access log streams")
	}
	defer s.leave()
	src := s.source(stream.Context())
	defer func() {
		if fault := recover(); fault != nil {
			s.failed.Add(1)
			s.log.ErrorContext(stream.Context(), "access log stream failed", "panic", fault,
				"fleet", src.fleet, "node", src.node, "stack", string(debug.Stack()))
			err = status.Error(codes.Internal, "this access log stream failed")
		}
	}()
	messages := make(chan []byte)
	ended := make(chan error, 1)
	go receive(stream, messages, ended)
	if err := s.consume(src, messages, ended); err != nil {
		return err
	}
	return stream.SendAndClose(&alsv3.StreamAccessLogsResponse{})
}

// message is a StreamAccessLogsMessage as it came.
type message []byte

// ReadWire keeps the bytes: entries are read later, and hold on to parts of them.
func (m *message) ReadWire(data []byte) error {
	*m = bytes.Clone(data)
	return nil
}

// receive hands on messages as they were sent until the stream ends, as it does at the latest when its handler has returned.
func receive(stream server, messages chan<- []byte, ended chan<- error) {
	for {
		var m message
		if err := stream.RecvMsg(&m); err != nil {
			ended <- err
			return
		}
		select {
		case messages <- m:
		case <-stream.Context().Done():
			ended <- stream.Context().Err()
			return
		}
	}
}

// consume counts messages until the client ends the stream (nil), it breaks or sends what cannot be read (the error), or the
// service stops (nil).
func (s *Service) consume(src *source, messages <-chan []byte, ended <-chan error) error {
	stopping := s.stopping
	var lingered <-chan time.Time
	for {
		select {
		case m := <-messages:
			if err := s.take(src, m); err != nil {
				return err
			}
		case err := <-ended:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		case <-stopping:
			stopping = nil
			lingered = time.After(s.linger)
		case <-lingered:
			select {
			case m := <-messages: // It had arrived: the choice above was by chance.
				return s.take(src, m)
			default:
			}
			return nil
		}
	}
}

// source tells where a stream comes from: by its connection's certificate, or by its node header.
func (s *Service) source(ctx context.Context) *source {
	src := &source{stream: s.streams.Add(1), fleet: None, node: None}
	if fleet, node, known := s.caller(ctx); known {
		src.name(fleet, node)
		src.named = true
	} else if values := metadata.ValueFromIncomingContext(ctx, envoy.HeaderNode); len(values) > 0 {
		fleet, node, _ := strings.Cut(values[0], "/")
		src.name(fleet, node)
		src.named = true
	}
	return src
}

func (src *source) name(fleet, node string) {
	if fleet != "" {
		src.fleet = clean(fleet, maxName)
	}
	if node != "" {
		src.node = clean(node, maxName)
	}
}

// identify reads the identifier, which comes with the first message of a stream only.
func (src *source) identify(id *alsv3.StreamAccessLogsMessage_Identifier) {
	if id == nil {
		return
	}
	if !src.named {
		src.name(id.GetNode().GetCluster(), id.GetNode().GetId())
	}
	src.foreign = id.GetLogName() != "" && id.GetLogName() != envoy.AccessLogName
}

// take counts the entries of a message. One that cannot be read is a gRPC status; none of its entries is counted.
func (s *Service) take(src *source, message []byte) error {
	b, err := readBatch(message)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	src.identify(b.identifier)
	entries, others := b.entries, b.others
	s.received.Add(uint64(len(entries) + others))
	if src.foreign {
		others += len(entries)
		entries = nil
	}
	table, now := s.table.Load(), s.now()
	var records []Record
	for _, e := range entries {
		if !e.final() {
			others++
			continue
		}
		r := table.record(e, now)
		src.sequence++
		r.Fleet, r.Node, r.Stream, r.Sequence = src.fleet, src.node, src.stream, src.sequence
		s.count(table, &r, now)
		if s.records != nil {
			records = append(records, r)
		}
	}
	s.ignored.Add(uint64(others)) //nolint:gosec // a length
	if len(records) > 0 {
		s.records(records)
	}
	return nil
}

// count adds a record to its rollup and to the counters for /metrics.
func (s *Service) count(table *Table, r *Record, now time.Time) {
	o := table.operation(r)
	s.recent.add(r, now)
	rules := table.rulesOf(r)
	if !r.routed() {
		s.unrouted.Add(1)
	}
	sums := Sums{Requests: 1, BytesIn: r.BytesIn, BytesOut: r.BytesOut}
	if r.Answered == Envoy || r.Answered == Gatehouse {
		sums.Local = 1
	}
	s.hours.add(o, r.Class, sums, r.LastByte, now)
	key := Key{r.Fleet, r.Node, o.api, o.version, o.id, rules, r.Class.String()}
	s.rollups.add(key, sums, r.LastByte, now, func() *counter { return s.counters.of(o) }).add(r)
}
