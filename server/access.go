package server

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/store"
)

const (
	// tokenFresh is how long what is known of an access token is not asked for again: within it a revocation is effective on
	// every replica.
	tokenFresh = 500 * time.Millisecond
	// tokenStale is for how long a token that was good is good for reading while the store is away.
	tokenStale = time.Minute
	// tokensKnown bounds how many are kept in memory.
	tokensKnown = 1024
	// usedEvery is how exactly the last use of a token is kept.
	usedEvery = 5 * time.Minute
	// secretBytes is how many random bytes a secret has.
	secretBytes = 32
)

// shownTokens tells whose the access tokens are that callers show.
type shownTokens struct {
	server *Server
	mu     sync.Mutex
	known  map[string]knownToken
}

// knownToken is what the store said of a token, and when.
type knownToken struct {
	store.AccessToken

	hash store.AccessHash
	at   time.Time
}

// caller returns whose a token is, given as ID.SECRET.
func (s *shownTokens) caller(ctx context.Context, text string) (admin.Caller, error) {
	id, encoded, ok := strings.Cut(text, ".")
	secret, err := base64.RawURLEncoding.DecodeString(encoded)
	if !ok || err != nil || len(secret) != secretBytes || id == "" || len(id) > 64 {
		return admin.Caller{}, fmt.Errorf("%w: what was shown is no access token", admin.ErrStranger)
	}
	token, stale, err := s.find(ctx, id)
	now := s.server.options.Now()
	switch {
	case errors.Is(err, store.ErrNotFound):
		return admin.Caller{}, fmt.Errorf("%w: there is no access token %q", admin.ErrStranger, id)
	case err != nil:
		return admin.Caller{}, fmt.Errorf("%w: %w", admin.ErrAwayStore, err)
	case !token.hash.Matches(secret):
		return admin.Caller{}, fmt.Errorf("%w: the secret of access token %q is another", admin.ErrStranger, id)
	case !token.Revoked.IsZero():
		return admin.Caller{}, fmt.Errorf("%w: access token %q was revoked", admin.ErrStranger, id)
	case !now.Before(token.Expires):
		return admin.Caller{}, fmt.Errorf("%w: access token %q has expired", admin.ErrStranger, id)
	}
	s.used(ctx, token, now)
	return admin.Caller{
		Name: "token " + token.Name, Role: admin.Role(token.Role), Team: token.Team, Token: id,
		ReadOnly: token.ReadOnly || stale, Source: token.Source, Expires: token.Expires,
	}, nil
}

// find returns a token, from memory where it was asked for a moment ago, or where the store does not answer (then it is stale).
func (s *shownTokens) find(ctx context.Context, id string) (token knownToken, stale bool, err error) {
	now := s.server.options.Now()
	s.mu.Lock()
	token, known := s.known[id]
	s.mu.Unlock()
	if known && now.Sub(token.at) < tokenFresh && now.Sub(token.at) >= 0 {
		return token, false, nil
	}
	found, hash, err := s.server.store.Access.Find(ctx, id)
	switch {
	case err == nil:
		token = knownToken{found, hash, now}
		s.keep(token)
		return token, false, nil
	case known && !errors.Is(err, store.ErrNotFound) && now.Sub(token.at) < tokenStale:
		return token, true, nil
	}
	s.forget(id)
	return knownToken{}, false, err
}

func (s *shownTokens) keep(token knownToken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.known[token.ID]; !known && len(s.known) >= tokensKnown {
		clear(s.known) // Rare, and each costs one read to come back.
	}
	s.known[token.ID] = token
}

func (s *shownTokens) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, id)
}

// used keeps about when a token was used. That this fails keeps nobody out.
func (s *shownTokens) used(ctx context.Context, token knownToken, now time.Time) {
	if now.Sub(token.Used) < usedEvery {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := s.server.store.Access.Touch(ctx, token.ID, now); err != nil {
		s.server.log.Warn("the use of an access token cannot be kept", "token", token.ID, "error", err)
	}
	token.Used = now
	s.keep(token)
}

// newSecret returns the id, the secret and the text of a new access token.
func newSecret() (id string, secret []byte, text string) {
	random := make([]byte, 10+secretBytes)
	_, _ = rand.Read(random) // It never fails.
	id = strings.ToLower(base32.StdEncoding.EncodeToString(random[:10]))
	secret = random[10:]
	return id, secret, admin.TokenPrefix + id + "." + base64.RawURLEncoding.EncodeToString(secret)
}
