package analytics

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"
)

// recentAccuracy is that of the latencies of a node's last minutes. It takes a fifth of the bins of a rollup's: there is a
// sketch for each node and step.
const recentAccuracy = 0.05

// Span is a time on one node: From until just before To, or until now where To is zero.
type Span struct {
	Node     string
	From, To time.Time
}

// Figures are what was counted of requests in some spans.
type Figures struct {
	Requests uint64
	Errors   uint64       // Answered with 5xx, by whomever.
	Denials  uint64       // See Record.Denied.
	Latency  Distribution // Of Record.LastByte.
}

// Distribution is how long requests took, 5 % exact.
type Distribution struct{ sketch *ddsketch.DDSketch }

// Count returns how many requests it is about.
func (l Distribution) Count() uint64 {
	if l.sketch == nil {
		return 0
	}
	return uint64(l.sketch.GetCount())
}

// Quantile returns what a share q of the requests, from 0 to 1, did not exceed; 0 where there is none.
func (l Distribution) Quantile(q float64) time.Duration {
	if l.Count() == 0 {
		return 0
	}
	seconds, err := l.sketch.GetValueAtQuantile(max(0, min(q, 1)))
	if err != nil { // Only for what is no quantile.
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}

// Above returns how many requests took longer.
func (l Distribution) Above(d time.Duration) uint64 {
	if l.sketch == nil {
		return 0
	}
	var count float64
	l.sketch.ForEach(func(seconds, n float64) bool {
		if seconds > d.Seconds() {
			count += n
		}
		return false
	})
	return uint64(count)
}

// recent are the last minutes of each node, in steps of equal length, bounded in time and in nodes.
type recent struct {
	step    time.Duration
	steps   int64
	limit   int
	mapping mapping.IndexMapping

	mu    sync.RWMutex // Guards nodes alone, so that streams of different nodes do not wait for one another.
	nodes map[sender]*ring
}

// sender is a node of a fleet.
type sender struct{ fleet, node string }

// ring is the last steps of one node.
type ring struct {
	last  atomic.Int64 // The step in which it grew last.
	mu    sync.Mutex   // Guards steps.
	steps []step
}

// step is what was counted in one step; number tells which, in steps since 1970.
type step struct {
	number                    int64
	requests, errors, denials uint64
	latency                   *ddsketch.DDSketch // nil: no latency is known.
}

func newRecent(length, keep time.Duration, nodes int) (*recent, error) {
	m, err := mapping.NewDefaultMapping(recentAccuracy)
	if err != nil {
		return nil, err
	}
	return &recent{
		step: length, steps: int64((keep + length - 1) / length), limit: nodes, mapping: m, nodes: map[sender]*ring{},
	}, nil
}

// add counts a record. It is counted when it arrives: the clocks of other hosts are not asked.
func (c *recent) add(r *Record, now time.Time) {
	number := now.UnixNano() / int64(c.step)
	of := c.ring(sender{r.Fleet, r.Node})
	of.last.Store(number)
	of.mu.Lock()
	defer of.mu.Unlock()
	s := &of.steps[number%c.steps]
	if s.number != number {
		sketch := s.latency
		if sketch != nil {
			sketch.Clear()
		}
		*s = step{number: number, latency: sketch}
	}
	s.requests++
	if r.Class == ServerError {
		s.errors++
	}
	if r.Denied() {
		s.denials++
	}
	if r.LastByte <= 0 {
		return
	}
	if s.latency == nil {
		s.latency = c.sketch()
	}
	_ = s.latency.Add(max(minLatency, min(r.LastByte, maxLatency)).Seconds()) // fails only for values it cannot index
}

// ring returns that of a node. Where there are too many nodes, the one that said nothing for longest is forgotten.
func (c *recent) ring(of sender) *ring {
	if found := c.find(of); found != nil {
		return found
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.nodes[of]; found != nil {
		return found
	}
	if len(c.nodes) >= c.limit {
		idle := slices.MinFunc(slices.Collect(maps.Keys(c.nodes)), func(a, b sender) int {
			return cmp.Compare(c.nodes[a].last.Load(), c.nodes[b].last.Load())
		})
		delete(c.nodes, idle)
	}
	made := &ring{steps: make([]step, c.steps)}
	c.nodes[of] = made
	return made
}

func (c *recent) find(of sender) *ring {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.nodes[of]
}

func (c *recent) sketch() *ddsketch.DDSketch {
	return ddsketch.NewDDSketchFromStoreProvider(c.mapping, store.BufferedPaginatedStoreConstructor)
}

// figures adds up whole steps that began within a span.
func (c *recent) figures(fleet string, spans []Span, now time.Time) Figures {
	f := Figures{Latency: Distribution{c.sketch()}}
	c.addFigures(&f, fleet, spans, now)
	return f
}

// addFigures adds them to what was counted elsewhere.
func (c *recent) addFigures(f *Figures, fleet string, spans []Span, now time.Time) {
	oldest := now.UnixNano()/int64(c.step) - c.steps + 1
	for _, span := range spans {
		if of := c.find(sender{fleet, span.Node}); of != nil {
			of.sum(f, span, oldest, c.step)
		}
	}
}

// sum adds the steps of a span to figures.
func (r *ring) sum(f *Figures, span Span, oldest int64, length time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.steps {
		s := &r.steps[i]
		began := time.Unix(0, s.number*int64(length))
		if s.number < oldest || began.Before(span.From) || !span.To.IsZero() && !began.Before(span.To) {
			continue
		}
		f.Requests, f.Errors, f.Denials = f.Requests+s.requests, f.Errors+s.errors, f.Denials+s.denials
		if s.latency != nil {
			_ = f.Latency.sketch.MergeWith(s.latency) // fails only for different mappings
		}
	}
}
