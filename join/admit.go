package join

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse/gatehouse/envoy"
)

// errCall tells that a call is not what it should be.
var errCall = wrong{errors.New("the call is not what it should be: is this a client of the same version?")}

// errStranger tells that a renewal came without a certificate that proves a node.
var errStranger = errors.New("the certificate is not accepted")

// join gives a node its first certificate. All that can be wrong with the call is looked at before a use of the token is
// taken; only the signature comes after.
func (s *Service) join(r *http.Request, body []byte) (Answer, error) {
	var c joinCall
	if err := json.Unmarshal(body, &c); err != nil {
		return Answer{}, errCall // The decoder's words may quote the token.
	}
	public, err := PublicKey([]byte(c.Request))
	if err != nil {
		return Answer{}, wrong{err}
	}
	if err := envoy.CheckName("node", c.Node); err != nil {
		return Answer{}, wrong{err}
	}
	ticket, err := ParseTicket(c.Token)
	if err != nil {
		return Answer{}, Refused("not a token")
	}
	ctx := r.Context()
	t, err := s.tokens.TakeToken(ctx, Claim{ID: ticket.ID, Secret: ticket.Secret, Node: c.Node})
	if err != nil {
		return Answer{}, fmt.Errorf("token %.64q: %w", ticket.ID, err)
	}
	id := Identity{s.authority.Domain(), t.Fleet, c.Node}
	answer, err := s.issue(ctx, id, public, t.ID, nil)
	if err != nil {
		return Answer{}, err
	}
	s.joined.Add(1)
	s.log.InfoContext(ctx, "node joined", "fleet", id.Fleet, "node", id.Node, "token", t.ID, "uses_left", t.Uses, "address", r.RemoteAddr, "expires", answer.Expires)
	return answer, nil
}

// renew gives the node whose certificate is shown the next one, for a new key.
func (s *Service) renew(r *http.Request, body []byte) (Answer, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return Answer{}, fmt.Errorf("%w: none is shown", errStranger)
	}
	id, err := s.authority.VerifyForRenewal(r.TLS.PeerCertificates)
	switch {
	case errors.Is(err, ErrExpired):
		return Answer{}, err
	case err != nil:
		return Answer{}, fmt.Errorf("%w: %w", errStranger, err)
	}
	var c renewCall
	if err := json.Unmarshal(body, &c); err != nil {
		return Answer{}, errCall
	}
	public, err := PublicKey([]byte(c.Request))
	if err != nil {
		return Answer{}, wrong{err}
	}
	old := shownOf(r.TLS.PeerCertificates[0], id)
	answer, err := s.issue(r.Context(), id, public, "", &old)
	if errors.Is(err, ErrRevoked) {
		return Answer{}, fmt.Errorf("%w: %w", errStranger, err)
	}
	if err != nil {
		return Answer{}, err
	}
	s.renewed.Add(1)
	s.log.InfoContext(r.Context(), "certificate renewed", "fleet", id.Fleet, "node", id.Node, "address", r.RemoteAddr, "expires", answer.Expires)
	return answer, nil
}

// issue gives a node a certificate, once it is kept that it did.
func (s *Service) issue(ctx context.Context, id Identity, public crypto.PublicKey, token string, renews *Shown) (Answer, error) {
	issued, err := s.authority.Node(public, id)
	if err != nil {
		return Answer{}, err
	}
	if s.kept != nil {
		c := Certificate{Identity: id, Serial: issued.Serial, Issued: s.now(), Expires: issued.Expires, Token: token, Renews: renews}
		if err := s.kept.AddCertificate(ctx, c); err != nil {
			return Answer{}, fmt.Errorf("keep the certificate: %w", err)
		}
	}
	return Answer{
		Domain: id.Domain, Fleet: id.Fleet, Node: id.Node, Certificate: string(issued.Chain), Bundle: string(s.authority.Bundle()),
		Expires: issued.Expires, Directory: s.directory(),
	}, nil
}

// Tend does what is due until ctx ends: see Authority.Tend. A failure is logged and tried again.
func (s *Service) Tend(ctx context.Context) {
	ticker := time.NewTicker(s.authority.Every())
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			bounded, cancel := context.WithTimeout(ctx, callTimeout)
			if err := s.authority.Tend(bounded); err != nil && ctx.Err() == nil {
				s.log.ErrorContext(ctx, "authority not tended", "error", err)
			}
			cancel()
		}
	}
}
