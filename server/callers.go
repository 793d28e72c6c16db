package server

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/store"
)

// SocketRole is what a user may do who comes through a Unix socket.
type SocketRole struct {
	Role admin.Role
	Team string // Of a member.
}

// callers tells the management API who calls.
type callers struct {
	*Server
	tokens  *shownTokens
	issuers *admin.Issuers
}

// Peer returns which user is at the other end of a Unix socket: root and the daemon's own are admins, others what their
// --socket-uid says, an operator where it says nothing.
func (c callers) Peer(conn net.Conn) (admin.Caller, error) {
	uid, err := peerUID(conn)
	if err != nil {
		return admin.Caller{}, fmt.Errorf("%w: %w", admin.ErrStranger, err)
	}
	caller := admin.Caller{Name: fmt.Sprint("uid ", uid)}
	as, named := c.options.SocketRoles[uid]
	switch {
	case uid == 0 || int(uid) == os.Getuid():
		caller.Role = admin.Admin
	case named:
		caller.Role, caller.Team = as.Role, as.Team
	case c.allowed(uid):
		caller.Role = admin.Operator
	default:
		return admin.Caller{}, admin.ErrStranger
	}
	return caller, nil
}

// Bearer returns whose a token is: an access token by its prefix, else one of an issuer.
func (c callers) Bearer(ctx context.Context, token string) (admin.Caller, error) {
	if text, ours := strings.CutPrefix(token, admin.TokenPrefix); ours {
		return c.tokens.caller(ctx, text)
	}
	return c.issuers.Caller(ctx, token)
}

// Certificate returns whose a certificate is: the first rule that names one of its names, its e-mail addresses or its URIs, or
// where it has none of these its common name.
func (c callers) Certificate(cert *x509.Certificate) (admin.Caller, error) {
	names := append(append([]string{}, cert.DNSNames...), cert.EmailAddresses...)
	for _, uri := range cert.URIs {
		names = append(names, uri.String())
	}
	if len(names) == 0 {
		names = append(names, cert.Subject.CommonName)
	}
	for _, rule := range c.options.Callers.Certificates {
		for _, name := range names {
			if name != "" && name == rule.Name {
				return admin.Caller{Name: "certificate " + name, Role: rule.Role, Team: rule.Team, Expires: cert.NotAfter}, nil
			}
		}
	}
	return admin.Caller{}, fmt.Errorf("%w: no rule names the client's certificate %q", admin.ErrStranger, names)
}

// storeAway says in the management API's words that the store cannot be used now.
func storeAway(err error) error {
	for _, cause := range []error{
		store.ErrAway, store.ErrBusy, store.ErrFull, store.ErrReadOnly, store.ErrGone, store.ErrClosed, context.DeadlineExceeded,
	} {
		if errors.Is(err, cause) {
			return fmt.Errorf("%w: %w", admin.ErrAwayStore, err)
		}
	}
	return err
}
