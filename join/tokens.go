package join

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse/gatehouse/envoy"
)

// Token is what is known of a token: nothing with which anybody could join.
type Token struct {
	ID      string
	Fleet   string
	Node    string // Empty: any node of the fleet.
	Uses    int    // How many are left.
	Created time.Time
	Expires time.Time
	Used    time.Time // When the last use was taken; zero: none was.
	Revoked time.Time // Zero: not revoked.
}

// Claim is what a node shows to join.
type Claim struct {
	ID     string
	Secret Secret
	Node   string
}

// Tokens keeps tokens, and of their secrets only hashes.
type Tokens interface {
	// AddToken keeps a new one, and returns it with its times.
	AddToken(ctx context.Context, t Token, s Secret) (Token, error)
	// TakeToken takes one use, of two that want the last one for one of them, and returns the token. Where there is none to take
	// the error is made by Refused.
	TakeToken(ctx context.Context, c Claim) (Token, error)
	// Tokens returns all, those made last first.
	Tokens(ctx context.Context) ([]Token, error)
	// RevokeToken makes a token worthless, or returns ErrUnknownToken. Nodes that have joined by it stay.
	RevokeToken(ctx context.Context, id string) error
}

// Refused returns ErrRefused with the reason, which is for the log alone.
func Refused(reason string) error { return &refusal{reason} }

// Bounds of what a token may be good for.
const (
	usesMax    = 10_000
	expiresMax = 365 * 24 * time.Hour
)

// Grant says what a new token is good for.
type Grant struct {
	Fleet string
	Node  string        // Empty: any name.
	Uses  int           // 0: 1.
	Life  time.Duration // 0: 1 h.
}

func (g Grant) withDefaults() (Grant, error) {
	if g.Uses == 0 {
		g.Uses = 1
	}
	if g.Life == 0 {
		g.Life = time.Hour
	}
	faults := []error{envoy.CheckName("fleet", g.Fleet)}
	if g.Node != "" {
		faults = append(faults, envoy.CheckName("node", g.Node))
	}
	if g.Uses < 1 || g.Uses > usesMax {
		faults = append(faults, fmt.Errorf("a token is good for 1 to %d uses, not for %d", usesMax, g.Uses))
	}
	if g.Life < time.Second || g.Life > expiresMax {
		faults = append(faults, fmt.Errorf("a token expires after 1s to %dh, not after %s", expiresMax/time.Hour, g.Life))
	}
	return g, errors.Join(faults...)
}

// ErrGrant tells that a token was asked for that there cannot be.
var ErrGrant = errors.New("no such token can be made")

// Create makes a token, and returns its text, which is shown this once.
func (s *Service) Create(ctx context.Context, g Grant) (string, Token, error) {
	g, err := g.withDefaults()
	if err != nil {
		return "", Token{}, fmt.Errorf("%w: %w", ErrGrant, err)
	}
	pin, err := s.authority.Pin()
	if err != nil {
		return "", Token{}, err
	}
	ticket, err := newTicket(pin, s.authority.Domain(), g.Node)
	if err != nil {
		return "", Token{}, err
	}
	t, err := s.tokens.AddToken(ctx, Token{
		ID: ticket.ID, Fleet: g.Fleet, Node: g.Node, Uses: g.Uses, Expires: s.now().Add(g.Life),
	}, ticket.Secret)
	if err != nil {
		return "", Token{}, fmt.Errorf("keep the token: %w", err)
	}
	s.log.InfoContext(ctx, "token created", tokenAttrs(t)...)
	return ticket.Text(), t, nil
}

// Tokens returns all tokens, those made last first.
func (s *Service) Tokens(ctx context.Context) ([]Token, error) { return s.tokens.Tokens(ctx) }

// Revoke makes a token worthless, or returns ErrUnknownToken.
func (s *Service) Revoke(ctx context.Context, id string) error {
	if err := s.tokens.RevokeToken(ctx, id); err != nil {
		return err
	}
	s.log.InfoContext(ctx, "token revoked", "token", id)
	return nil
}

func tokenAttrs(t Token) []any {
	return []any{"token", t.ID, "fleet", t.Fleet, "node", t.Node, "uses", t.Uses, "expires", t.Expires}
}

// refusal is ErrRefused with the reason, which is for the log alone.
type refusal struct{ reason string }

// Error says no more than ErrRefused.
func (*refusal) Error() string { return ErrRefused.Error() }

// Is makes it ErrRefused.
func (*refusal) Is(target error) bool { return target == ErrRefused }
