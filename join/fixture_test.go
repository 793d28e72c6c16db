package join_test

import (
	"bytes"
	"context"
	"crypto/subtle"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/join"
)

// patience bounds every wait for something that must happen.
const patience = 20 * time.Second

// clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// kept keeps roots and tokens in memory; that the real store keeps the same promises is shown by its own suite, and that
// both fit by the tests of server and e2e.
type kept struct {
	clock *clock

	mu      sync.Mutex
	roots   []join.Root
	tokens  []join.Token
	secrets map[string]join.Secret
}

func (k *kept) Roots(context.Context) ([]join.Root, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.roots), nil
}

func (k *kept) AddRoot(_ context.Context, r join.Root) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if slices.ContainsFunc(k.roots, func(have join.Root) bool { return have.State == r.State || have.ID == r.ID }) {
		return join.ErrChanged
	}
	r.Changed = k.clock.Now()
	k.roots = append(k.roots, r)
	return nil
}

func (k *kept) MoveRoots(_ context.Context, moves ...join.Move) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := slices.Clone(k.roots)
	for _, m := range moves {
		i := slices.IndexFunc(next, func(r join.Root) bool { return r.ID == m.ID && r.State == m.From })
		if i < 0 {
			return join.ErrChanged
		}
		next[i].State, next[i].Changed = m.To, k.clock.Now()
	}
	k.roots = next
	return nil
}

func (k *kept) RemoveRoot(_ context.Context, id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.roots = slices.DeleteFunc(k.roots, func(r join.Root) bool { return r.ID == id })
	return nil
}

func (k *kept) AddToken(_ context.Context, t join.Token, s join.Secret) (join.Token, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t.Created = k.clock.Now()
	k.tokens = append([]join.Token{t}, k.tokens...)
	k.secrets[t.ID] = s
	return t, nil
}

func (k *kept) TakeToken(_ context.Context, c join.Claim) (join.Token, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, t := range k.tokens {
		secret := k.secrets[t.ID]
		switch {
		case t.ID != c.ID || subtle.ConstantTimeCompare(secret[:], c.Secret[:]) == 0:
			continue
		case t.Node != "" && t.Node != c.Node:
			return join.Token{}, join.Refused("for another node")
		case t.Uses < 1 || !t.Revoked.IsZero() || !k.clock.Now().Before(t.Expires):
			return join.Token{}, join.Refused("no use left")
		}
		k.tokens[i].Uses--
		return k.tokens[i], nil
	}
	return join.Token{}, join.Refused("unknown")
}

func (k *kept) Tokens(context.Context) ([]join.Token, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.tokens), nil
}

func (k *kept) RevokeToken(_ context.Context, id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.tokens {
		if k.tokens[i].ID == id {
			k.tokens[i].Revoked = k.clock.Now()
			return nil
		}
	}
	return join.ErrUnknownToken
}

// house is a joining service on loopback.
type house struct {
	t         *testing.T
	clock     *clock
	kept      *kept
	authority *join.Authority
	service   *join.Service
	address   string
	log       *bytes.Buffer
	logging   *sync.Mutex

	mu              sync.Mutex
	services, joins []string // What it says of them.
}

// say changes what the joining service says of services and of joining.
func (h *house) say(services, joins []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.services, h.joins = services, joins
}

func (h *house) said() (services, joins []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.services, h.joins
}

// Write makes the house its log's writer.
func (h *house) Write(p []byte) (int, error) {
	h.logging.Lock()
	defer h.logging.Unlock()
	return h.log.Write(p)
}

func (h *house) logged() string {
	h.logging.Lock()
	defer h.logging.Unlock()
	return h.log.String()
}

// newHouse starts a joining service whose certificates live for 24 h and may be renewed a week later.
func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, clock: newClock(), log: &bytes.Buffer{}, logging: &sync.Mutex{}}
	h.kept = &kept{clock: h.clock, secrets: map[string]join.Secret{}}
	log := slog.New(slog.NewTextHandler(h, &slog.HandlerOptions{Level: slog.LevelDebug}))
	authority, err := join.Open(t.Context(), h.kept, join.Options{Now: h.clock.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	h.authority = authority
	h.say([]string{"0.0.0.0:18000"}, nil)
	h.serve(log)
	return h
}

// serve serves joining on loopback until the test ends.
func (h *house) serve(log *slog.Logger) {
	service := join.New(join.ServiceOptions{
		Authority: h.authority, Tokens: h.kept, Now: h.clock.Now, Log: log,
		Services: func() []string { services, _ := h.said(); return services },
		Joins:    func() []string { _, joins := h.said(); return joins },
	})
	h.service = service
	l, err := new(net.ListenConfig).Listen(h.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	h.address = l.Addr().String()
	ended := make(chan error, 1)
	go func() { ended <- service.Serve(l, []string{"127.0.0.1", "gatehouse.bank.test"}) }()
	h.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(h.t.Context()), patience)
		defer cancel()
		if err := service.Stop(ctx); err != nil {
			h.t.Error(err)
		}
		if err := <-ended; err != nil {
			h.t.Error(err)
		}
	})
}

// token makes a token.
func (h *house) token(g join.Grant) string {
	h.t.Helper()
	text, _, err := h.service.Create(h.t.Context(), g)
	if err != nil {
		h.t.Fatal(err)
	}
	return text
}

// first says how a node joins by a token.
func (h *house) first(token, node string) join.First {
	return join.First{Server: h.address, Token: token, Node: node, Now: h.clock.Now}
}

// node is a node that has joined.
type node struct {
	house *house
	place join.Place
	kept  join.Kept
}

// joined lets a node join the fleet "edge".
func (h *house) joined(name string) *node {
	h.t.Helper()
	key, answer, err := join.Join(h.t.Context(), h.first(h.token(join.Grant{Fleet: "edge"}), name))
	if err != nil {
		h.t.Fatal(err)
	}
	n := &node{
		house: h, place: join.Place{Settings: envoy.Settings{Dir: needs.SocketDir(h.t)}},
		kept: join.Kept{Server: h.address, Domain: answer.Domain, Fleet: answer.Fleet, Node: answer.Node},
	}
	if err := n.place.Write(key, answer); err != nil {
		h.t.Fatal(err)
	}
	return n
}

func (n *node) renew() error {
	_, err := n.place.Renew(n.house.t.Context(), n.kept, n.house.clock.Now)
	return err
}
