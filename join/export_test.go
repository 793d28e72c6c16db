package join

import (
	"context"
	"crypto/x509"
	"time"
)

// CallForTest sends a call to join as it is.
func CallForTest(ctx context.Context, server, token, node, request string, now func() time.Time) (Answer, error) {
	ticket, err := ParseTicket(token)
	if err != nil {
		return Answer{}, err
	}
	c, err := newClient(server, now, func(chain []*x509.Certificate) error { return verifyPinned(chain, ticket, now()) }, nil)
	if err != nil {
		return Answer{}, err
	}
	return c.call(ctx, pathJoin, joinCall{Token: token, Node: node, Request: request})
}
