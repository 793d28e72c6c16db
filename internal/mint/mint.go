// Package mint signs tokens for examples and tests.
//
// In: a private key as JWK, an issuer, claims. Out: a signed JWT (RFC 7519). Nothing of it has a place in production.
package mint

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

// Request says which token is to be signed.
type Request struct {
	Key    []byte         // A private key as JWK, with the alg that it signs with.
	Issuer string         // Becomes iss.
	Claims map[string]any // Every other claim. What is set here stands, exp, iat and jti included.
	Now    time.Time      // Becomes iat.
	TTL    time.Duration  // Later than Now by this is exp.
}

// Token returns a signed token in compact form. An error never holds the key.
func Token(r Request) (string, error) {
	key, err := jwk.ParseKey(r.Key)
	if err != nil {
		return "", errors.New("the key that signs tokens is no JWK (RFC 7517)") // The library's words may quote the key.
	}
	private, err := jwk.IsPrivateKey(key)
	if err != nil || !private {
		return "", errors.New("the key that signs tokens is no private asymmetric key")
	}
	algorithm, ok := signatureAlgorithm(key)
	if !ok {
		return "", errors.New("the key does not say which algorithm it signs with: give it an alg, such as ES256")
	}
	token, err := r.token()
	if err != nil {
		return "", err
	}
	signed, err := jwt.Sign(token, jwt.WithKey(algorithm, key))
	if err != nil {
		return "", fmt.Errorf("sign the token with %s: the key does not fit", algorithm)
	}
	return string(signed), nil
}

func signatureAlgorithm(key jwk.Key) (jwa.SignatureAlgorithm, bool) {
	named, ok := key.Algorithm()
	if !ok {
		return jwa.SignatureAlgorithm{}, false
	}
	return jwa.LookupSignatureAlgorithm(named.String())
}

// token puts the claims together.
func (r Request) token() (jwt.Token, error) {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return nil, fmt.Errorf("choose a jti: %w", err)
	}
	claims := map[string]any{
		jwt.IssuerKey: r.Issuer, jwt.IssuedAtKey: r.Now.Unix(), jwt.ExpirationKey: r.Now.Add(r.TTL).Unix(), jwt.JwtIDKey: hex.EncodeToString(id),
	}
	maps.Copy(claims, r.Claims)
	token := jwt.New()
	for name, value := range claims {
		if err := token.Set(name, value); err != nil {
			return nil, fmt.Errorf("claim %s: %w", name, err)
		}
	}
	return token, nil
}
