package admin

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"time"
)

// Role is what a caller of the management API may do.
type Role string

// The roles, from the least to the most.
const (
	Viewer   Role = "viewer"   // Reads all but secrets.
	Member   Role = "member"   // Of a team: changes what is the team's.
	Operator Role = "operator" // Changes every configuration, rolls out, drains.
	Admin    Role = "admin"    // Also credentials and authorities.
)

// Caller is who asks the management API, as the socket, a token or a certificate proves it, never as a request says.
type Caller struct {
	Name string // Shown in the history and in the audit: "uid 1000", "token deploy", "alice@bank.test".
	Role Role
	Team string // Of a Member.
	From string // The peer's address; "socket" on the Unix socket.

	Token    string    // The id of the access token that was shown; empty: another proof.
	ReadOnly bool      // The proof is good for reading only, whatever the role.
	Source   string    // The only source that it may change; empty: any.
	Expires  time.Time // When the proof ends; zero: not by itself.
}

// Callers tells who calls, by what a connection or a request proves.
type Callers interface {
	// Peer returns who is at the other end of a Unix socket, as the kernel tells.
	Peer(c net.Conn) (Caller, error)
	// Bearer returns whose an access token or a token of an issuer is. It returns ErrStranger, wrapped with the reason, for one
	// that proves nothing, and ErrAwayStore where that cannot be said now.
	Bearer(ctx context.Context, token string) (Caller, error)
	// Certificate returns whose a client certificate is, that was verified already; or ErrStranger.
	Certificate(c *x509.Certificate) (Caller, error)
}

// ErrStranger tells that what somebody shows does not prove who it is.
var ErrStranger = errors.New("not known")

// ErrHandedOver tells that another process takes over what was asked about, and that nothing was changed: ask once more.
var ErrHandedOver = errors.New("a successor takes over: ask again")

// ErrAwayStore tells that the store does not answer, so that nothing can be changed now; try again later.
var ErrAwayStore = errors.New("the store is away: nothing can be changed until it is back")

// callerKey is the key of a Caller in a context.
type callerKey struct{}

// WithCaller returns a context of a request by a caller.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf returns who asks; without anybody in the context, somebody who may nothing.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}
