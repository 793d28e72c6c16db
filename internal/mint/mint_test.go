package mint

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

// testKey is the key of no one, made for this test.
const testKey = `{"kty":"EC","crv":"P-256","alg":"ES256","kid":"test-1","x":"5xM_DEAAmU-0RDC12E7AShZT_LDdsxq3Pohuc4gpXqw","y":"lNY6dI4CykpUGpZ6NFEkP7Nc49cAjYgYaQAglFbmECg","d":"CJji5CNPfWsApqLVMS8S3FjroTfeACDw-DH9bym4fdU"}`

var now = time.Unix(1_800_000_000, 0) //nolint:gochecknoglobals // A constant in all but name.

// claims verifies a token with the public half of the key and returns what it says.
func claims(t *testing.T, token string) map[string]any {
	t.Helper()
	key, err := jwk.ParseKey([]byte(testKey))
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	set := jwk.NewSet()
	if err := set.AddKey(public); err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.ParseString(token, jwt.WithKeySet(set), jwt.WithClock(jwt.ClockFunc(func() time.Time { return now })))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(parsed)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestToken(t *testing.T) {
	t.Parallel()
	r := Request{
		Key: []byte(testKey), Issuer: "https://login.bank.test", Now: now, TTL: time.Hour,
		Claims: map[string]any{"sub": "alice", "role": "teller", "groups": []any{"a", "b"}},
	}
	first, err := Token(r)
	if err != nil {
		t.Fatal(err)
	}
	got := claims(t, first)
	id := got["jti"]
	delete(got, "jti")
	want := map[string]any{
		"iss": "https://login.bank.test", "sub": "alice", "role": "teller", "groups": []any{"a", "b"},
		"iat": 1_800_000_000.0, "exp": 1_800_003_600.0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	second, err := Token(r)
	if err != nil {
		t.Fatal(err)
	}
	if again := claims(t, second)["jti"]; id == "" || id == again {
		t.Errorf("two tokens have the jti %v and %v", id, again)
	}
}

func TestWrittenClaimsStand(t *testing.T) {
	t.Parallel()
	token, err := Token(Request{
		Key: []byte(testKey), Issuer: "https://login.bank.test", Now: now, TTL: time.Hour,
		Claims: map[string]any{"exp": 1_900_000_000, "iss": "https://other.test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := claims(t, token); got["exp"] != 1_900_000_000.0 || got["iss"] != "https://other.test" {
		t.Errorf("got %v", got)
	}
}

func TestKeysThatCannotSign(t *testing.T) {
	t.Parallel()
	const private = "CJji5CNPfWsApqLVMS8S3FjroTfeACDw"
	for name, tt := range map[string]struct{ key, want string }{
		"nothing":   {"", "is no JWK"},
		"no JWK":    {`{"d": "` + private + `"}`, "is no JWK"},
		"public":    {strings.Split(testKey, `,"d"`)[0] + "}", "is no private asymmetric key"},
		"symmetric": {`{"kty":"oct","alg":"HS256","k":"` + private + `"}`, "is no private asymmetric key"},
		"no alg":    {strings.Replace(testKey, `"alg":"ES256",`, "", 1), "give it an alg"},
		"wrong alg": {strings.Replace(testKey, "ES256", "RS256", 1), "the key does not fit"},
		"no such":   {strings.Replace(testKey, "ES256", "XX256", 1), "is no JWK"},
	} {
		_, err := Token(Request{Key: []byte(tt.key), Now: now, TTL: time.Hour})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), private) {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
}
