package authz

import (
	"errors"
	"runtime/metrics"
	"time"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// What an evaluation is stopped by besides its limit of time.
const (
	// stepsBetween is after how many steps of an evaluation its time is looked at.
	stepsBetween = 16
	// looksBetween is after how many looks at the time the memory is looked at.
	looksBetween = 16
	// heapAfter is how long an evaluation goes on unobserved: in less time nothing can take much.
	heapAfter = 4 * time.Millisecond
	// maxGrowth is by how many bytes the process may grow while an evaluation is under way.
	maxGrowth = 256 << 20
	// heapMetric is what the process holds, with what is not collected yet.
	heapMetric = "/memory/classes/heap/objects:bytes"
)

// Why an evaluation was stopped. To OPA the first two are cancellations.
var (
	errTooLong   error = &topdown.Error{Code: topdown.CancelErr, Message: "the policy did not answer within the limit"}
	errTooLarge  error = &topdown.Error{Code: topdown.CancelErr, Message: "the process grew too much while the policy was evaluated"}
	errAbandoned       = errors.New("an earlier evaluation of the policy does not end")
)

// stop ends one evaluation: it is the topdown.Cancel that is asked at each step. It is used by one goroutine and used again
// for the next evaluation, so that a limit of time costs neither a timer nor an allocation.
type stop struct {
	begun  time.Time
	limit  time.Duration
	steps  uint32
	why    error
	sample [1]metrics.Sample
	heap   uint64 // What the process held at the first look; 0: there was none.
}

// begin makes it ready for an evaluation.
func (s *stop) begin(limit time.Duration) {
	s.begun, s.limit, s.steps, s.why, s.heap = time.Now(), limit, 0, nil, 0
}

// Cancel ends the evaluation.
func (s *stop) Cancel() { s.why = errTooLong }

// Cancelled reports whether the evaluation is to end.
func (s *stop) Cancelled() bool {
	if s.why != nil {
		return true
	}
	if s.steps++; s.steps%stepsBetween != 0 {
		return false
	}
	took := time.Since(s.begun)
	if took > s.limit {
		s.why = errTooLong
		return true
	}
	if took > heapAfter && s.steps%(stepsBetween*looksBetween) == 0 {
		s.look()
	}
	return s.why != nil
}

// look stops the evaluation where the process has grown much since the first look. Which evaluation it is that takes the
// memory nobody can tell, so all that go on for longer end, and one that is not to blame is tried a second time.
func (s *stop) look() {
	s.sample[0].Name = heapMetric
	metrics.Read(s.sample[:])
	if s.sample[0].Value.Kind() != metrics.KindUint64 {
		return
	}
	now := s.sample[0].Value.Uint64()
	switch {
	case s.heap == 0:
		s.heap = now
	case now > s.heap+maxGrowth:
		s.why = errTooLarge
	}
}
