package admin

import "context"

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
}

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
