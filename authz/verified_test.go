package authz_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/gateway"
)

// signed returns a token, signed by a secret with an algorithm of HMAC.
func signed(alg, secret, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode(fmt.Appendf(nil, `{"alg":%q}`, alg)) + "." + encode([]byte(claims))
	sum := hmac.New(map[string]func() hash.Hash{"HS256": sha256.New, "HS512": sha512.New}[alg], []byte(secret))
	sum.Write([]byte(text))
	return text + "." + encode(sum.Sum(nil))
}

// TestVerifiedTokens asks about the same tokens again and again, some of them remembered by then: the answers must be those that OPA gives
// without a memory.
func TestVerifiedTokens(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_790_000_000, 0)
	service := newServiceWith(authz.Options{Limit: patient, Now: func() time.Time { return now }})
	policy := func(constraints string) string {
		return `package a
default allow := false
token := trim_prefix(input.attributes.request.http.headers.authorization, "Bearer ")
allow if { [ok, _, claims] := io.jwt.decode_verify(token, ` + constraints + `); ok; claims.role == "customer" }`
	}
	policies := map[string]string{
		"any":      policy(`{"secret": "s3cret"}`),
		"HS256":    policy(`{"secret": "s3cret", "alg": "HS256"}`),
		"HS512":    policy(`{"secret": "s3cret", "alg": "HS512"}`),
		"other":    policy(`{"secret": "other", "alg": "HS256"}`),
		"audience": policy(`{"secret": "s3cret", "alg": "HS256", "aud": "payments"}`),
		"asks":     policy(`{"secret": "s3cret", "alg": input.attributes.request.http.headers["x-alg"]}`),
		"either": `package a
default allow := false
token := trim_prefix(input.attributes.request.http.headers.authorization, "Bearer ")
allow if { io.jwt.verify_hs512(token, "s3cret"); not io.jwt.verify_hs256(token, "s3cret") }`,
	}
	var routes []*gateway.Route
	for name, source := range policies {
		routes = append(routes, publicRoute(name, source))
	}
	service.Use(compiled(t, revision(routes...), nil))
	good := signed("HS256", "s3cret", `{"role": "customer", "exp": 1790000100}`)
	tokens := map[string]string{
		"good":      good,
		"tampered":  good[:len(good)-2] + "AA",
		"HS512":     signed("HS512", "s3cret", `{"role": "customer", "exp": 1790000100}`),
		"teller":    signed("HS256", "s3cret", `{"role": "teller", "exp": 1790000100}`),
		"theirs":    signed("HS256", "other", `{"role": "customer", "exp": 1790000100}`),
		"for them":  signed("HS256", "s3cret", `{"role": "customer", "aud": "payments", "exp": 1790000100}`),
		"very long": signed("HS256", "s3cret", `{"role": "customer", "exp": 1790000100, "x": "`+strings.Repeat("x", 8000)+`"}`),
		"none":      "eyJhbGciOiJub25lIn0.eyJyb2xlIjoiY3VzdG9tZXIifQ.",
		"nonsense":  "nonsense",
	}
	want := map[string]bool{
		"any good": true, "any HS512": true, "any very long": true, "HS256 good": true, "HS256 very long": true, "HS512 HS512": true, "other theirs": true,
		"audience for them": true, "asks good": true, "asks very long": true, "either HS512": true,
	}
	for turn, late := range []bool{false, false, false, true} {
		if late {
			now = now.Add(time.Hour)
		}
		for policy := range policies {
			for name, token := range tokens {
				check := envoyCheck(t, policy, "GET", "/payments/alice", nil)
				check.Attributes.Request.Http.Headers["authorization"] = "Bearer " + token
				check.Attributes.Request.Http.Headers["x-alg"] = "HS256"
				response, err := service.Check(t.Context(), check)
				if err != nil {
					t.Fatal(err)
				}
				wanted := want[policy+" "+name] && (!late || policy == "either") // verify_hs512 does not look at the time.
				if got := response.GetOkResponse() != nil; got != wanted {
					t.Errorf("turn %d: %s with the token %q: allowed %v, want %v", turn, policy, name, got, wanted)
				}
			}
		}
	}
}
