//go:build e2e

package e2e_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"
)

// forger makes tokens by hand: good ones by the issuer's RSA key, and all kinds of bad ones.
type forger struct {
	t             *testing.T
	key, stranger *rsa.PrivateKey
}

func newForger(t *testing.T) *forger {
	t.Helper()
	f := &forger{t: t}
	for _, key := range []**rsa.PrivateKey{&f.key, &f.stranger} {
		made, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		*key = made
	}
	return f
}

func unpadded(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwk returns a public key as JWK. It names no algorithm, as many issuers' do not.
func jwkOf(k *rsa.PrivateKey, kid string) map[string]any {
	return map[string]any{
		"kty": "RSA", "kid": kid, "use": "sig", "n": unpadded(k.N.Bytes()), "e": unpadded(big.NewInt(int64(k.E)).Bytes()),
	}
}

// set returns the issuer's key set.
func (f *forger) set() string { return f.json(map[string]any{"keys": []any{jwkOf(f.key, "one")}}) }

func (f *forger) json(v any) string {
	f.t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(text)
}

// signer makes the signature of a text.
type signer func(text string) []byte

func (f *forger) rs256(key *rsa.PrivateKey) signer {
	return func(text string) []byte {
		sum := sha256.Sum256([]byte(text))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			f.t.Fatal(err)
		}
		return signature
	}
}

func hs256(secret []byte) signer {
	return func(text string) []byte {
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
}

func constant(signature []byte) signer { return func(string) []byte { return signature } }

// token returns a token of the bank's issuer with other members of header and claims where they are given; nil removes one.
func (f *forger) token(by signer, header, claims map[string]any) string {
	f.t.Helper()
	h := map[string]any{"alg": "RS256", "kid": "one", "typ": "JWT"}
	c := map[string]any{"iss": nordhaven().issuer, "aud": "payments", "sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(h, header)
	maps.Copy(c, claims)
	for _, m := range []map[string]any{h, c} {
		maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	}
	text := unpadded([]byte(f.json(h))) + "." + unpadded([]byte(f.json(c)))
	return text + "." + unpadded(by(text))
}

// forged returns tokens that nobody may get in by.
func (f *forger) forged() map[string]string {
	good, none, strange := f.rs256(f.key), constant(nil), f.rs256(f.stranger)
	spki, err := x509.MarshalPKIXPublicKey(&f.key.PublicKey)
	if err != nil {
		f.t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PublicKey(&f.key.PublicKey)
	type m = map[string]any
	hs := m{"alg": "HS256"}
	whole := f.token(good, nil, nil)
	signed := whole[:strings.LastIndex(whole, ".")+1]
	out := map[string]string{
		"alg none":                   f.token(none, m{"alg": "none"}, nil),
		"alg None":                   f.token(none, m{"alg": "None"}, nil),
		"alg nOnE, signed":           f.token(good, m{"alg": "nOnE"}, nil),
		"no alg":                     f.token(good, m{"alg": nil}, nil),
		"alg of another type":        f.token(good, m{"alg": []string{"RS256"}}, nil),
		"HMAC by the key as PEM":     f.token(hs256(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})), hs, nil),
		"HMAC by the key as PKCS #1": f.token(hs256(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: pkcs1})), hs, nil),
		"HMAC by the key as DER":     f.token(hs256(spki), hs, nil),
		"HMAC by the modulus":        f.token(hs256(f.key.N.Bytes()), hs, nil),
		"HMAC by the JWK":            f.token(hs256([]byte(f.json(jwkOf(f.key, "one")))), hs, nil),
		"HMAC by nothing":            f.token(hs256(nil), hs, nil),
		"a stranger's key":           f.token(strange, nil, nil),
		"a stranger's key in jwk":    f.token(strange, m{"jwk": jwkOf(f.stranger, "one")}, nil),
		"a stranger's key at jku":    f.token(strange, m{"jku": "http://127.0.0.1:1/keys", "kid": "two"}, nil),
		"a stranger's x5c":           f.token(strange, m{"x5c": []string{base64.StdEncoding.EncodeToString(spki)}}, nil),
		"ES256 of zeros":             f.token(constant(make([]byte, 64)), m{"alg": "ES256"}, nil),
		"RS256 of zeros":             f.token(constant(make([]byte, 256)), nil, nil),
		"no signature":               signed,
		"half a signature":           signed + unpadded(good("x")[:128]),
		"two parts":                  signed[:len(signed)-1],
		"five parts":                 whole + "..",
		"a claim changed":            strings.Split(f.token(good, nil, m{"sub": "mallory"}), ".")[0] + "." + strings.Split(f.token(good, nil, m{"sub": "mallory"}), ".")[1] + "." + whole[len(signed):],
		"expired":                    f.token(good, nil, m{"exp": time.Now().Add(-2 * time.Minute).Unix()}),
		"without end":                f.token(good, nil, m{"exp": nil}),
		"an end that is a text":      f.token(good, nil, m{"exp": "9999999999"}),
		"an end before all times":    f.token(good, nil, m{"exp": -1}),
		"not yet good":               f.token(good, nil, m{"nbf": time.Now().Add(time.Hour).Unix()}),
		"for others":                 f.token(good, nil, m{"aud": "payroll"}),
		"for others, several":        f.token(good, nil, m{"aud": []string{"payroll", "payments2", "Payments"}}),
		"for nobody":                 f.token(good, nil, m{"aud": nil}),
		"of others":                  f.token(good, nil, m{"iss": "https://login.mallory.test"}),
		"of others, nearly":          f.token(good, nil, m{"iss": nordhaven().issuer + "/"}),
		"of nobody":                  f.token(good, nil, m{"iss": nil}),
		"of several":                 f.token(good, nil, m{"iss": []string{nordhaven().issuer}}),
		"8 KiB, forged":              f.token(strange, nil, m{"pad": strings.Repeat("x", 6000)}),
		"24 KiB, forged":             f.token(strange, nil, m{"pad": strings.Repeat("x", 18000)}),
		"words":                      "let me in",
		"dots":                       "..",
		"a key":                      "ghk_" + strings.Repeat("a", 16) + "." + strings.Repeat("b", 52),
	}
	for i, kid := range []string{
		"../../../../../../dev/null", "/etc/hostname", "one' OR '1'='1", "one\"; DROP TABLE keys; --", "$(id)", "${jndi:ldap://127.0.0.1:1/}", "one\x00two",
		"http://127.0.0.1:1/keys", strings.Repeat("k", 12<<10),
	} {
		out[fmt.Sprintf("kid %d by a stranger", i)] = f.token(strange, m{"kid": kid}, nil)
		out[fmt.Sprintf("kid %d by HMAC of nothing", i)] = f.token(hs256([]byte{}), m{"alg": "HS256", "kid": kid}, nil)
		out[fmt.Sprintf("kid %d unsigned", i)] = f.token(none, m{"alg": "none", "kid": kid}, nil)
	}
	return out
}

// newForged starts the bank with an issuer whose tokens the forger makes.
func newForged(t *testing.T) (*proving, *forger) {
	t.Helper()
	f := newForger(t)
	return newProvingWith(t, f.set()), f
}

// TestForgedTokens shows tokens that are not good, each from an address of its own: none gets in anywhere, and each is answered 401
// with a challenge, wherever it is decided.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	w, f := newForged(t)
	good := f.token(f.rs256(f.key), nil, nil)
	paths := []string{"/token", "/plain", "/mixed", "/known", "/both"}
	for _, path := range paths[:4] {
		for size, text := range map[string]string{"good": good, "8 KiB": f.token(f.rs256(f.key), nil, map[string]any{"pad": strings.Repeat("x", 6000)})} {
			if a := w.get(w.url("PORT", path), "authorization: Bearer "+text); a.status != http.StatusOK {
				t.Fatalf("%s with a good token, %s: %+v", path, size, a)
			}
		}
	}
	n := 0
	for name, text := range f.forged() {
		n++
		from := fmt.Sprintf("x-forwarded-for: 10.1.%d.%d", n/250, n%250)
		for _, path := range paths {
			a := w.get(w.url("PORT", path), "authorization: Bearer "+text, from)
			want, tells := http.StatusUnauthorized, true
			if name == "five parts" && (path == "/token" || path == "/plain") {
				want, tells = http.StatusForbidden, false
			}
			if a.status != want || strings.HasPrefix(a.header.Get("www-authenticate"), "Bearer") != tells || a.problem(t) == "" {
				t.Errorf("%s, %s: %d %v %s", path, name, a.status, a.header, a.body)
			}
		}
	}
	huge := f.token(f.rs256(f.key), nil, map[string]any{"pad": strings.Repeat("x", 48<<10)})
	for _, path := range paths {
		a, err := w.do(http.MethodGet, w.url("PORT", path), "authorization: Bearer "+huge)
		if err != nil || a.status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s with a token of 64 KiB: %d %s, %v", path, a.status, a.body, err)
		}
	}
}

// TestTokensInOddPlaces shows a good token as no token is to be shown.
func TestTokensInOddPlaces(t *testing.T) {
	t.Parallel()
	w, f := newForged(t)
	good := f.token(f.rs256(f.key), nil, nil)
	expired := f.token(f.rs256(f.key), nil, map[string]any{"exp": 1, "sub": "mallory"})
	n := 0
	for name, test := range map[string]struct {
		query   string
		headers []string
	}{
		"twice":                      {headers: []string{"authorization: Bearer " + good, "authorization: Bearer " + good}},
		"after an expired one":       {headers: []string{"authorization: Bearer " + expired, "authorization: Bearer " + good}},
		"before an expired one":      {headers: []string{"authorization: Bearer " + good, "authorization: Bearer " + expired}},
		"after another scheme":       {headers: []string{"authorization: Basic YTpi", "authorization: Bearer " + good}},
		"within another scheme":      {headers: []string{"authorization: Basic Bearer " + good}},
		"behind other text":          {headers: []string{"authorization: Bearer x Bearer " + good}},
		"before other text":          {headers: []string{"authorization: Bearer " + good + " x"}},
		"before a comma":             {headers: []string{"authorization: Bearer " + good + ", Bearer " + expired}},
		"without a scheme":           {headers: []string{"authorization: " + good}},
		"with a tab":                 {headers: []string{"authorization: Bearer\t" + good}},
		"in the query":               {query: "?access_token=" + good},
		"in a cookie":                {headers: []string{"cookie: access_token=" + good + "; authorization=" + good}},
		"in other headers":           {headers: []string{"proxy-authorization: Bearer " + good, "x-authorization: Bearer " + good, "x-api-token: " + good}},
		"as what Envoy tells others": {headers: []string{"x-gatehouse-subject: alice", "x-gatehouse-issuer: " + nordhaven().issuer, "x-jwt-payload: " + unpadded([]byte(`{"sub":"alice"}`)), "x-envoy-auth-failure-mode-allowed: true"}},
	} {
		n++
		from := fmt.Sprintf("x-forwarded-for: 10.2.0.%d", n)
		for _, path := range []string{"/token", "/plain", "/known", "/both"} {
			a := w.get(w.url("PORT", path+test.query), append(test.headers, from)...)
			want := http.StatusUnauthorized
			if (path == "/token" || path == "/plain") && strings.Contains(name, "another scheme") { // There is a good token in it.
				want = http.StatusForbidden
			}
			if a.status != want || want == http.StatusUnauthorized && a.header.Get("www-authenticate") == "" {
				t.Errorf("%s, %s: %d %v %s", path, name, a.status, a.header, a.body)
			}
		}
	}
	for _, path := range []string{"/token", "/plain"} {
		if a := w.get(w.url("PORT", path), "authorization: bearer "+good); a.status != http.StatusUnauthorized {
			t.Errorf("%s, behind bearer in lower case: %d %s", path, a.status, a.body)
		}
	}
	if a := w.get(w.url("PORT", "/opaque"), "authorization: bEaReR good-1"); a.status != http.StatusOK {
		t.Errorf("an opaque token, behind Bearer in any case: %d %s", a.status, a.body)
	}
}

// TestKeysInOddPlaces shows a good key where none is to be shown, several at a time, and beside tokens.
func TestKeysInOddPlaces(t *testing.T) {
	t.Parallel()
	w, f := newForged(t)
	key, other := w.key(), w.key()
	good := "authorization: Bearer " + f.token(f.rs256(f.key), nil, nil)
	expired := "authorization: Bearer " + f.token(f.rs256(f.key), nil, map[string]any{"exp": 1, "sub": "mallory"})
	k := "x-api-key: " + key.Text
	n := 0
	for name, test := range map[string]struct {
		path    string
		headers []string
		status  int
	}{
		"two keys":                         {"/key", []string{k, k}, 401},
		"two keys, another":                {"/key", []string{k, "x-api-key: " + other.Text}, 401},
		"a key and nothing":                {"/key", []string{k, "x-api-key: "}, 401},
		"a key in upper case":              {"/key", []string{"x-api-key: " + strings.ToUpper(key.Text)}, 401},
		"a key and more":                   {"/key", []string{k + " x"}, 401},
		"the secret of another":            {"/key", []string{"x-api-key: " + key.Text[:20] + other.Text[20:]}, 401},
		"the id alone":                     {"/key", []string{"x-api-key: " + key.Text[:21]}, 401},
		"a huge key":                       {"/key", []string{k + strings.Repeat("a", 40<<10)}, 401},
		"no key":                           {"/key", []string{"x-api-key: "}, 401},
		"a key in another header":          {"/key", []string{"x-api-key-2: " + key.Text, "authorization: Bearer " + key.Text, "authorization: ApiKey " + key.Text}, 401},
		"a key in the query of a header":   {"/key?api_key=" + key.Text + "&x-api-key=" + key.Text, nil, 401},
		"a key as a token":                 {"/known", []string{"authorization: Bearer " + key.Text}, 401},
		"a key with its scheme":            {"/basic", []string{"authorization: ApiKey " + key.Text}, 200},
		"two keys with their scheme":       {"/basic", []string{"authorization: ApiKey " + key.Text, "authorization: ApiKey " + key.Text}, 401},
		"two cookies":                      {"/mixed", []string{"cookie: api_key=" + key.Text + "; api_key=" + other.Text}, 401},
		"a bad token and a good key":       {"/known", []string{expired, k}, 200}, // Any one suffices.
		"a good token and a bad key":       {"/known", []string{good, k + "x"}, 200},
		"a bad token and a bad key":        {"/known", []string{expired, k + "x"}, 401},
		"both are needed, a bad token":     {"/both", []string{expired, k}, 401},
		"both are needed, a bad key":       {"/both", []string{good, k + "x"}, 401},
		"a key where a token is needed":    {"/token", []string{k}, 401},
		"a key where a token, in no check": {"/plain", []string{k}, 401},
	} {
		n++
		from := fmt.Sprintf("x-forwarded-for: 10.3.0.%d", n)
		a := w.get(w.url("PORT", test.path), append(test.headers, from)...)
		if a.status != test.status || a.status == 401 && a.header.Get("www-authenticate") == "" {
			t.Errorf("%s: %d, want %d, %v %s", name, a.status, test.status, a.header, a.body)
		}
	}
	before := w.issuer.asked.Load()
	w.get(w.url("PORT", "/known"), "authorization: Bearer "+other.Text) // Of which nothing is remembered.
	if w.issuer.asked.Load() != before {
		t.Error("an issuer was told an API key")
	}
}

// TestKeysAreHidden shows keys in all places and spellings beside a token: the upstream gets none, and is not told what clients
// say in Gatehouse's name.
func TestKeysAreHidden(t *testing.T) {
	t.Parallel()
	w, f := newForged(t)
	key := w.key()
	good := "authorization: Bearer " + f.token(f.rs256(f.key), nil, nil)
	expired := "authorization: Bearer " + f.token(f.rs256(f.key), nil, map[string]any{"exp": 1, "sub": "mallory"})
	lies := []string{"x-gatehouse-subject: mallory", "X-Gatehouse-Consumer: mallory", "x-gatehouse-application: mallory", "x-gatehouse-issuer: https://login.mallory.test", "x-gatehouse-other: mallory"}
	for name, test := range map[string]struct {
		path    string
		headers []string
	}{
		"two headers":            {"/mixed", []string{good, "x-api-key: " + key.Text, "x-api-key: " + key.Text}},
		"two cookies":            {"/mixed", []string{good, "cookie: api_key=" + key.Text + "; api_key=" + key.Text}},
		"two lines of cookies":   {"/mixed", []string{good, "cookie: a=1", "cookie: api_key=" + key.Text}},
		"the second line alone":  {"/mixed", []string{"cookie: a=1", "cookie: b=2; api_key=" + key.Text}},
		"cookies without blanks": {"/mixed", []string{good, "cookie: a=1;api_key=" + key.Text + ";;b"}},
		"a quoted cookie":        {"/mixed", []string{good, `cookie: a=1; api_key="` + key.Text + `"`}},
		"a spaced cookie":        {"/mixed", []string{good, "cookie: a=1; api_key = " + key.Text}},
		"two spellings":          {"/mixed?api_key=" + key.Text + "&%61pi_key=" + key.Text + "&api%5Fkey=" + key.Text, []string{good}},
		"a key, a bad token":     {"/known", []string{expired, "x-api-key: " + key.Text}},
		"a key alone":            {"/known", []string{"x-api-key: " + key.Text}},
	} {
		a := w.get(w.url("PORT", test.path), append(test.headers, lies...)...)
		if a.status != http.StatusOK || strings.Contains(a.body, key.Text) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
			continue
		}
		if strings.Contains(strings.ReplaceAll(a.body, strings.TrimPrefix(expired, "authorization: "), ""), "mallory") {
			t.Errorf("%s: the upstream is told what the client says: %s", name, a.body)
		}
	}
}

// TestSpoofedAddresses says other addresses than it has: neither does a key that counts from one network alone count, nor does who
// guesses get more guesses, nor does anybody else get locked out.
func TestSpoofedAddresses(t *testing.T) {
	t.Parallel()
	w := newProving(t)
	bound, free := w.key("192.0.2.0/24"), w.key()
	for name, test := range map[string]struct {
		port    string
		headers []string
		status  int
	}{
		"from there":                   {"PORT", []string{"x-forwarded-for: 192.0.2.7"}, 200},
		"by way of there":              {"PORT", []string{"x-forwarded-for: 192.0.2.7, 198.51.100.7"}, 403},
		"in two lines":                 {"PORT", []string{"x-forwarded-for: 192.0.2.7", "x-forwarded-for: 198.51.100.7"}, 403},
		"nobody says":                  {"PORT", nil, 403},
		"no address":                   {"PORT", []string{"x-forwarded-for: 192.0.2.7, unknown"}, 403},
		"a mapped one":                 {"PORT", []string{"x-forwarded-for: ::ffff:192.0.2.7"}, 200},
		"no proxy is trusted":          {"ALONE_PORT", []string{"x-forwarded-for: 192.0.2.7"}, 403},
		"in other headers":             {"ALONE_PORT", []string{"forwarded: for=192.0.2.7", "x-real-ip: 192.0.2.7", "x-envoy-external-address: 192.0.2.7", "x-gatehouse-client: 192.0.2.7", "true-client-ip: 192.0.2.7", "x-client-ip: 192.0.2.7"}, 403},
		"in Gatehouse's own, by proxy": {"PORT", []string{"x-forwarded-for: 198.51.100.7", "x-gatehouse-client: 192.0.2.7"}, 403},
	} {
		a := w.get(w.url(test.port, "/key"), append(test.headers, "x-api-key: "+bound.Text)...)
		if a.status != test.status || test.status == 403 && a.reason(t) != "address-refused" {
			t.Errorf("%s: %d, want %d: %s", name, a.status, test.status, a.body)
		}
	}
	guess := func(port, text string, forwarded string) answer {
		return w.get(w.url(port, "/key"), "x-api-key: "+text, "x-forwarded-for: "+forwarded)
	}
	for port, said := range map[string]string{"PORT": "%s, 203.0.113.66", "ALONE_PORT": "%s"} {
		last := answer{}
		for i := range 12 {
			last = guess(port, fmt.Sprintf("guess-%d", i), fmt.Sprintf(said, fmt.Sprintf("203.0.113.%d", i)))
			if last.status == http.StatusOK {
				t.Fatalf("%s: a guess is good", port)
			}
		}
		if last.status != http.StatusTooManyRequests || last.problem(t) != "locked-out" || last.header.Get("retry-after") == "" {
			t.Errorf("%s: after twelve guesses: %+v", port, last)
		}
	}
	if a := guess("PORT", free.Text, "203.0.113.1"); a.status != http.StatusOK {
		t.Errorf("whose address others claimed to have: %+v", a)
	}
	if a := guess("PORT", free.Text, "203.0.113.66"); a.status != http.StatusTooManyRequests {
		t.Errorf("a good key from an address that guessed: %+v", a)
	}
}
