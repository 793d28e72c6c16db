package admin

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// EventKind says what an event is about.
type EventKind string

// The kinds of events.
const (
	EventNodes     EventKind = "nodes"     // The nodes of a fleet came, went, acknowledged or refused.
	EventEntry     EventKind = "entry"     // An entry of the history was made, or its state changed.
	EventRollout   EventKind = "rollout"   // A rollout of a fleet went on.
	EventEndpoints EventKind = "endpoints" // The endpoints of an Upstream changed.
	EventLost      EventKind = "lost"      // Events are missing here: ask anew for what is to be known.
)

// Event is one thing that changed. It tells what to ask for anew, not all that is known about it.
type Event struct {
	ID       string    `json:"id" doc:"By which to go on after it, as Last-Event-ID"`
	Kind     EventKind `json:"kind" enum:"nodes,entry,rollout,endpoints,lost"`
	Time     time.Time `json:"time"`
	Fleet    string    `json:"fleet,omitempty"`
	Entry    int64     `json:"entry,omitempty" doc:"Number of the history entry (REV)"`
	State    string    `json:"state,omitempty" doc:"Of the entry, or of the rollout"`
	Upstream string    `json:"upstream,omitempty"`
}

const (
	eventsKept   = 256 // Of the past, for who comes again.
	eventsQueued = 64  // For each reader.
	readersMax   = 200
)

// errReaders tells that too many read already.
var errReaders = errors.New("too many read the events already: try again later")

// Events hands what changes to everybody who reads it. It never waits for a reader: one that is slow is cut off. A nil value
// has nothing to tell. It may be used by several goroutines.
type Events struct {
	epoch string // Of the numbers, as each process counts from 1.
	now   func() time.Time

	mu      sync.Mutex
	last    int64
	kept    []Event
	readers map[*reader]struct{}
	closed  bool
}

// reader gets events until it is cut off, when its channel is closed.
type reader struct{ events chan Event }

// NewEvents returns a place for events.
func NewEvents(now func() time.Time) *Events {
	var epoch [4]byte
	_, _ = rand.Read(epoch[:]) // It never fails.
	return &Events{epoch: hex.EncodeToString(epoch[:]), now: now, readers: map[*reader]struct{}{}}
}

// Publish hands an event to all who read. Its id and time are given here. It returns at once.
func (e *Events) Publish(event Event) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.last++
	event.ID, event.Time = e.id(e.last), e.now().UTC()
	if len(e.kept) == eventsKept {
		e.kept = append(e.kept[:0], e.kept[1:]...)
	}
	e.kept = append(e.kept, event)
	for r := range e.readers {
		select {
		case r.events <- event:
		default:
			e.drop(r)
		}
	}
}

func (e *Events) id(number int64) string { return e.epoch + "-" + strconv.FormatInt(number, 10) }

// drop cuts a reader off.
func (e *Events) drop(r *reader) {
	delete(e.readers, r)
	close(r.events)
}

// read begins to read after the event of an id ("": from now on). What is missing in between is told by an event of kind lost.
func (e *Events) read(after string) (*reader, error) {
	if e == nil {
		return nil, errReaders
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || len(e.readers) >= readersMax {
		return nil, errReaders
	}
	past := e.since(after)
	r := &reader{events: make(chan Event, eventsQueued+len(past))}
	for _, event := range past {
		r.events <- event
	}
	e.readers[r] = struct{}{}
	return r, nil
}

// since returns the events after the one of an id.
func (e *Events) since(after string) []Event {
	if after == "" {
		return nil
	}
	number, err := strconv.ParseInt(strings.TrimPrefix(after, e.epoch+"-"), 10, 64)
	missed := e.last - number
	if err != nil || missed < 0 || missed > int64(len(e.kept)) {
		return []Event{{ID: e.id(e.last), Kind: EventLost, Time: e.now().UTC()}}
	}
	return e.kept[int64(len(e.kept))-missed:]
}

// leave ends the reading.
func (e *Events) leave(r *reader) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, there := e.readers[r]; there {
		e.drop(r)
	}
}

// Close cuts all readers off; nobody can begin to read any more.
func (e *Events) Close() {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	for r := range e.readers {
		e.drop(r)
	}
}

// text is the event as server-sent events are written (HTML, section 9.2).
func (event Event) text(body []byte) string {
	return fmt.Sprintf("id: %s\nevent: %s\ndata: %s\n\n", event.ID, event.Kind, body)
}
