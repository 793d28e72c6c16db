package assign

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit/share"
)

const (
	bookTimeout = time.Second
	bookTries   = 4
	tick        = time.Second // At which expired assignments are given to others.
)

// held names a holder of this process.
type held struct {
	bucket bucket
	id     int64
}

// worker works off the events of all streams, one batch after the other. Nothing else touches what it has.
type worker struct {
	service  *Service
	page     *page   // nil: not read yet.
	waiting  []event // What came while the book could not be read.
	written  time.Time
	renewing bool             // Something was renewed since.
	last     map[held]*stream // Whose holders are whose.
}

// batch is what one batch does to a page; it is thrown away where the page turns out to be old.
type batch struct {
	*worker
	now     time.Time
	joined  map[*stream]map[bucket]int64
	renewed map[held]*stream
	left    map[held]bool
	letters map[*stream]map[bucket]letter
	matters bool // It must be written before anything is told.
	unknown uint64
	counted []counted
}

// counted is what one report adds to the counters.
type counted struct {
	label           label
	allowed, denied int64
}

func (w *worker) run(ctx context.Context) {
	w.work(ctx, nil) // Whoever comes first does not wait for the book.
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for {
		var events []event
		select {
		case <-ctx.Done():
			w.flush()
			return
		case <-ticks.C:
			if len(w.waiting)+len(w.last) == 0 {
				continue
			}
		case e := <-w.service.events:
			events = w.gather(ctx, e)
		}
		w.work(ctx, events)
	}
}

// flush writes down what was only renewed, at the end.
func (w *worker) flush() {
	if w.page == nil || !w.renewing {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), bookTimeout)
	defer cancel()
	if err := w.page.write(ctx, w.service.options.Book); err != nil {
		w.service.options.Log.Warn("what is assigned cannot be kept", "error", err)
	}
}

// gather returns the events that come within a short time.
func (w *worker) gather(ctx context.Context, first event) []event {
	events := []event{first}
	wait := time.NewTimer(gather)
	defer wait.Stop()
	for len(events) < maxEvents {
		select {
		case <-ctx.Done():
			return events
		case e := <-w.service.events:
			events = append(events, e)
		case <-wait.C:
			return events
		}
	}
	return events
}

// work takes events in, divides, writes down and tells.
func (w *worker) work(ctx context.Context, events []event) {
	s := w.service
	events = append(w.waiting, events...)
	w.waiting = nil
	ctx, cancel := context.WithTimeout(ctx, bookTimeout)
	defer cancel()
	var failed error
	for range bookTries {
		if w.page == nil || s.options.Shared {
			page, err := read(ctx, s.options.Book, settings(), s.options.Now())
			if err != nil {
				failed = err
				break
			}
			w.page = page
		}
		b := w.begin(events)
		if failed = b.write(ctx); failed == nil || !s.options.Shared && !errors.Is(failed, ErrChanged) {
			b.finish()
			events = nil
			break
		}
		w.page = nil
		if !errors.Is(failed, ErrChanged) {
			break // Envoys keep what they have for as long as it lives.
		}
	}
	w.waiting = events[:min(len(events), maxEvents)]
	if failed != nil {
		s.away.Add(1)
		s.options.Log.Warn("what is assigned cannot be kept", "error", failed)
	}
}

// begin applies events to the page.
func (w *worker) begin(events []event) *batch {
	b := &batch{
		worker: w, now: w.service.options.Now(), joined: map[*stream]map[bucket]int64{}, renewed: map[held]*stream{},
		left: map[held]bool{}, letters: map[*stream]map[bucket]letter{},
	}
	w.renewing = w.renewing || len(events) > 0
	b.matters = w.renewing && b.now.Sub(w.written) > unwritten/2
	t := w.service.table.Load()
	b.forget(t)
	for of, l := range t.limits {
		if d := w.page.Divisions[of.String()]; d != nil {
			d.SetLimit(l.Limit, b.now)
		}
	}
	for _, e := range events {
		if e.usages == nil {
			b.leave(e.from)
		}
		for _, u := range e.usages {
			b.take(t, e.from, u)
		}
	}
	b.divide(t)
	return b
}

// forget drops the divisions of limits that are no more, when nobody holds a part of them any more.
func (b *batch) forget(t *Table) {
	known := map[string]bool{}
	for of := range t.limits {
		known[of.String()] = true
	}
	for name, d := range b.page.Divisions {
		if !known[name] {
			if d.Divide("", b.now); len(d.Holders) == 0 {
				delete(b.page.Divisions, name)
				b.matters = true
			}
		}
	}
}

// take takes in one report of one bucket.
func (b *batch) take(t *Table, from *stream, u usage) {
	l := t.find(u.bucket, from.fleet)
	if l == nil {
		b.unknown++
		if u.allowed+u.denied == 0 {
			b.letter(from, u.bucket, letter{abandon: true})
		}
		return
	}
	d := b.page.Divisions[u.bucket.String()]
	if d == nil {
		d = b.page.begin(l.Limit, b.now)
		b.page.Divisions[u.bucket.String()] = d
	}
	id, ok := b.holderOf(from, u.bucket)
	var h *share.Holder
	if ok {
		h = d.Holder(id, b.service.owner)
	}
	if h == nil {
		h = d.Join(from.node, b.service.owner, u.held, b.now)
		if b.joined[from] == nil {
			b.joined[from] = map[bucket]int64{}
		}
		b.joined[from][u.bucket] = h.ID
		b.matters = true
	}
	if _, before := from.holders[u.bucket]; !before && u.held { // It tells of a time in which nobody listened.
		d.Report(h, 0, 0, b.now)
	} else {
		d.Report(h, u.allowed, u.denied, b.now)
	}
	b.counted = append(b.counted, counted{l.label, u.allowed, u.denied})
	b.renewed[held{u.bucket, h.ID}] = from
}

func (b *batch) holderOf(from *stream, of bucket) (int64, bool) {
	if id, ok := b.joined[from][of]; ok {
		return id, true
	}
	id, ok := from.holders[of]
	return id, ok
}

// leave takes in the end of a stream.
func (b *batch) leave(from *stream) {
	ids := maps.Clone(from.holders)
	maps.Copy(ids, b.joined[from])
	for of, id := range ids {
		if d := b.page.Divisions[of.String()]; d != nil {
			if h := d.Holder(id, b.service.owner); h != nil {
				d.Lose(h, b.now)
			}
		}
		b.left[held{of, id}] = true
		delete(b.renewed, held{of, id})
	}
	b.matters = true
}

// divide divides every limit, and finds out what is to be told.
func (b *batch) divide(t *Table) {
	for of := range t.limits {
		d := b.page.Divisions[of.String()]
		if d == nil {
			continue
		}
		for _, h := range d.Divide(b.service.owner, b.now) {
			b.matters = true
			b.service.options.Log.Debug("assigned", "scope", of.scope, "limit", of.limit, "node", h.Node, "rate", h.Now.Rate, "burst", h.Now.Burst, "demand", h.Demand)
			b.tell(d, of, h)
		}
		for key, to := range b.renewed {
			if key.bucket == of {
				if h := d.Holder(key.id, b.service.owner); h != nil && b.letters[to][of] == (letter{}) {
					b.tell(d, of, h)
				}
			}
		}
	}
}

// tell renews what a holder has, and prepares the letter about it.
func (b *batch) tell(d *share.Division, of bucket, h *share.Holder) {
	key := held{of, h.ID}
	to := b.renewed[key]
	if to == nil {
		to = b.last[key]
	}
	if to == nil || b.left[key] {
		return
	}
	if a, ok := d.Renew(h, b.now); ok {
		b.letter(to, of, letter{Assignment: a})
	}
}

func (b *batch) letter(to *stream, of bucket, l letter) {
	if b.letters[to] == nil {
		b.letters[to] = map[bucket]letter{}
	}
	b.letters[to][of] = l
}

// write writes the page down, where it must be: what was only renewed may wait for a while.
func (b *batch) write(ctx context.Context) error {
	if !b.matters {
		return nil
	}
	if err := b.page.write(ctx, b.service.options.Book); err != nil {
		return err
	}
	b.worker.written, b.worker.renewing = b.now, false
	return nil
}

// finish makes the batch true: who joined has joined, and what is to be told is told.
func (b *batch) finish() {
	for st, ids := range b.joined {
		for of, id := range ids {
			st.holders[of] = id
			b.last[held{of, id}] = st
		}
	}
	for key := range b.left {
		delete(b.last, key)
	}
	now := b.service.options.Now()
	for st, all := range b.letters {
		for of, l := range all {
			l.at = now
			st.post(of, l)
		}
	}
	b.service.unknown.Add(b.unknown)
	for _, c := range b.counted {
		b.service.counts.add(c.label, c.allowed, c.denied)
	}
	b.service.show(b.page)
}
