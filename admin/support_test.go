package admin

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"sync"
	"time"
)

// Peer, Bearer and Certificate tell who calls in the tests.
func (k *known) Peer(net.Conn) (Caller, error) { return Caller{Name: "uid 1", Role: Admin}, nil }

func (k *known) Bearer(_ context.Context, token string) (Caller, error) {
	switch token {
	case "gha_good":
		return Caller{Name: "token deploy", Role: Operator}, nil
	case "gha_away":
		return Caller{}, ErrAwayStore
	}
	return Caller{}, ErrStranger
}

func (k *known) Certificate(*x509.Certificate) (Caller, error) { return Caller{}, ErrStranger }

// Decide asks the test.
func (k *known) Decide(_ context.Context, q Question) (Verdict, error) { return k.ruling(q) }

// Endpoints and ChangeEndpoints keep sets in memory.
func (k *known) Endpoints() []EndpointSet { return slices.Clone(k.sets) }

func (k *known) ChangeEndpoints(_ context.Context, upstream string, c EndpointChange) (EndpointSet, error) {
	k.pushed = append(k.pushed, c)
	for i, set := range k.sets {
		if set.Upstream != upstream {
			continue
		}
		if c.Version != 0 && c.Version != set.Version {
			return EndpointSet{}, ErrConflict
		}
		k.sets[i].Version++
		return k.sets[i], nil
	}
	if upstream == "broken" {
		var nothing *EndpointSet
		return *nothing, nil
	}
	return EndpointSet{}, ErrUnknown
}

func (k *known) CreateAccess(_ context.Context, g AccessGrant) (CreatedAccess, error) {
	return CreatedAccess{AccessToken: AccessToken{ID: "a1", Name: g.Name, Role: g.Role, State: "open"}, Text: "gha_a1.topsecret"}, nil
}

func (k *known) AccessTokens(context.Context) ([]AccessToken, error) { return nil, nil }

func (k *known) AccessToken(context.Context, string) (AccessToken, error) {
	return AccessToken{}, ErrNotFound
}

func (k *known) RotateAccess(context.Context, string, AccessRotation) (CreatedAccess, error) {
	return CreatedAccess{}, ErrUnable
}

func (k *known) RevokeAccess(context.Context, string) error { return ErrAwayStore }

// book is an audit in memory that may be away from some record on.
type book struct {
	mu      sync.Mutex
	records []Record
	fails   int // From this number on; 0: never.
}

var errBook = errors.New("no room on the disk")

// Append adds a record.
func (b *book) Append(_ context.Context, r Record) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fails > 0 && len(b.records)+1 >= b.fails {
		return 0, errBook
	}
	r.Seq, r.Time = int64(len(b.records)+1), time.Unix(1, 0).UTC()
	b.records = append(b.records, r)
	return r.Seq, nil
}

// Records returns all below a number, newest first.
func (b *book) Records(_ context.Context, q RecordQuery) ([]Record, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []Record
	for _, r := range slices.Backward(b.records) {
		if (q.Before == 0 || r.Seq < q.Before) && len(found) < q.Limit {
			found = append(found, r)
		}
	}
	return found, nil
}

// Verify finds nothing.
func (b *book) Verify(context.Context, []AuditHead) (AuditReport, error) { return AuditReport{}, nil }

func (b *book) all() []Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.records)
}
