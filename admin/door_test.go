package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// called is the head of an answer.
type called struct {
	StatusCode int
	Header     http.Header
}

// call sends a request and returns the answer.
func call(t *testing.T, c *Client, method, path, body string, header ...string) (called, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := c.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return called{response.StatusCode, response.Header}, string(text)
}

func shopSet() []EndpointSet {
	return []EndpointSet{{Upstream: "shop", Source: "pushed", Endpoints: []Endpoint{}, Version: 3}}
}

// TestWritesAreAudited tries writes that succeed, fail, are not allowed, and break: each is in the audit, twice where it began.
func TestWritesAreAudited(t *testing.T) {
	t.Parallel()
	k := &known{sets: shopSet(), ruling: func(q Question) (Verdict, error) {
		return Verdict{Allow: q.Operation != "createToken" && q.Operation != "getRevision", Need: Admin, Why: "the role admin is needed"}, nil
	}}
	c := onSocket(t, k)
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               []string
	}{
		{"POST", "/v1/endpoints/shop", `{"author":"mallory"}`, 200, []string{
			"1 uid 1 socket changeEndpoints begun 0 of 0  ",
			"2 uid 1 socket changeEndpoints done 200 of 1  version 4 0 endpoints",
		}},
		{"POST", "/v1/endpoints/none", `{}`, 404, []string{"3 begun 0", "4 failed 404 of 3"}},
		{"POST", "/v1/endpoints/shop", `{"all":`, 400, []string{"5 begun", "6 failed 400 of 5"}},
		{"POST", "/v1/endpoints/broken", `{}`, 500, []string{"7 begun", "8 failed 500 of 7"}},
		{"POST", "/v1/tokens", `{"fleet":"edge"}`, 403, []string{"9 createToken denied 403 of 0 the role admin is needed"}},
		{"GET", "/v1/revision", "", 403, []string{"10 getRevision denied 403"}},
		{"GET", "/v1/nodes", "", 200, nil},
		{"POST", "/v1/nothing", "", 404, nil},
	} {
		before := len(k.book.all())
		response, text := call(t, c, tt.method, tt.path, tt.body, "Content-Type", "application/json")
		if response.StatusCode != tt.status {
			t.Errorf("%s %s: %d %s, want %d", tt.method, tt.path, response.StatusCode, text, tt.status)
		}
		if tt.status >= 400 && response.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: the refusal is %s", tt.method, tt.path, response.Header.Get("Content-Type"))
		}
		got := k.book.all()[before:]
		if len(got) != len(tt.want) {
			t.Errorf("%s %s: %d records, want %d: %+v", tt.method, tt.path, len(got), len(tt.want), got)
			continue
		}
		for i, r := range got {
			line := fmt.Sprintln(r.Seq, r.Caller, r.From, r.Operation, r.Result, r.Status, "of", r.Of, r.Before, r.After, r.Detail)
			for word := range strings.FieldsSeq(tt.want[i]) {
				if !strings.Contains(line, word) {
					t.Errorf("%s %s: record %q lacks %q", tt.method, tt.path, line, word)
				}
			}
		}
	}
	if k.pushed[0].Author != "uid 1 (mallory)" {
		t.Errorf("the author is %q, not who calls and what the request says", k.pushed[0].Author)
	}
}

// TestNothingIsDoneWithoutAudit takes the audit away: before a write nothing is done; at its end the caller is told.
func TestNothingIsDoneWithoutAudit(t *testing.T) {
	t.Parallel()
	for fails, done := range map[int]int{1: 0, 2: 1} {
		k := &known{sets: shopSet(), book: book{fails: fails}}
		response, text := call(t, onSocket(t, k), "POST", "/v1/endpoints/shop", "{}", "Content-Type", "application/json")
		if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" || strings.Contains(text, errBook.Error()) {
			t.Errorf("the audit fails at record %d: %d %s", fails, response.StatusCode, text)
		}
		if len(k.pushed) != done {
			t.Errorf("the audit fails at record %d: %d changes were made, want %d", fails, len(k.pushed), done)
		}
	}
	denied := &known{book: book{fails: 1}, ruling: func(Question) (Verdict, error) { return Verdict{Why: "no"}, nil }}
	if response, _ := call(t, onSocket(t, denied), "GET", "/v1/nodes", ""); response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a denied read without an audit: %d", response.StatusCode)
	}
}

// TestUndecidedIsRefused has rules that do not answer.
func TestUndecidedIsRefused(t *testing.T) {
	t.Parallel()
	k := &known{ruling: func(Question) (Verdict, error) { return Verdict{Allow: true}, context.DeadlineExceeded }}
	if response, _ := call(t, onSocket(t, k), "GET", "/v1/nodes", ""); response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Errorf("got %d", response.StatusCode)
	}
}

// TestEveryOperationIsAsked calls everything that is served with rules that allow nothing: nothing but the probes answers.
func TestEveryOperationIsAsked(t *testing.T) {
	t.Parallel()
	k := &known{ruling: func(Question) (Verdict, error) { return Verdict{}, nil }}
	o := Options{Ready: k, Nodes: k, Metrics: http.NotFoundHandler(), Callers: k, Roles: k, Journal: &k.book}
	routes, err := o.routes()
	if err != nil {
		t.Fatal(err)
	}
	c := onSocket(t, k)
	for pattern, op := range routes.(*door).operations {
		method, path, _ := strings.Cut(pattern, " ")
		response, _ := call(t, c, method, strings.NewReplacer("{", "", "}", "").Replace(path), "")
		if want := http.StatusForbidden; !op.public && response.StatusCode != want {
			t.Errorf("%s: %d, want %d", pattern, response.StatusCode, want)
		} else if op.public && response.StatusCode == want {
			t.Errorf("%s is a probe, and asks who calls", pattern)
		}
	}
}

// TestStrangersAreAudited attempts writes without proof: some are in the audit, and the rest do not fill it.
func TestStrangersAreAudited(t *testing.T) {
	t.Parallel()
	k := &known{}
	address := serve(t, "tcp", "127.0.0.1:0", token, k).Addr().String()
	c := dial(t, address, "")
	for range strangersBurst + 20 {
		if response, _ := call(t, c, "POST", "/v1/tokens", `{"fleet":"edge"}`); response.StatusCode != http.StatusUnauthorized ||
			!strings.HasPrefix(response.Header.Get("WWW-Authenticate"), "Bearer") {
			t.Fatalf("got %d %q", response.StatusCode, response.Header)
		}
	}
	records := k.book.all()
	if len(records) < strangersBurst || len(records) > strangersBurst+10 {
		t.Fatalf("%d records", len(records))
	}
	if r := records[0]; r.Caller != "" || r.Result != Denied || r.Status != 401 || !strings.HasPrefix(r.From, "127.0.0.1:") {
		t.Errorf("got %+v", r)
	}
}

// TestSecretsStayOut makes an access token: its text is in the answer and nowhere else.
func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	k := &known{}
	response, text := call(t, onSocket(t, k), "POST", "/v1/access", `{"name":"deploy","role":"operator"}`, "Content-Type", "application/json")
	if response.StatusCode != http.StatusCreated || !strings.Contains(text, "topsecret") {
		t.Fatalf("got %d %s", response.StatusCode, text)
	}
	for _, r := range k.book.all() {
		if strings.Contains(fmt.Sprintf("%+v", r), "topsecret") {
			t.Errorf("the audit holds the secret: %+v", r)
		}
	}
}

// TestStoreAway asks for a change while the store is away.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	response, text := call(t, onSocket(t, &known{}), "POST", "/v1/access/a1/revoke", "")
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" || !strings.Contains(text, "the store is away") {
		t.Errorf("got %d %v %s", response.StatusCode, response.Header, text)
	}
}

// TestRefusalsAreProblems sends what cannot be read: every refusal is a problem document with the right status.
func TestRefusalsAreProblems(t *testing.T) {
	t.Parallel()
	c := onSocket(t, &known{sets: shopSet()})
	big := `{"remove":["` + strings.Repeat("x", 1<<20+1<<10) + `"]}`
	for _, tt := range []struct {
		method, path, mediaType, body string
		status                        int
	}{
		{"POST", "/v1/endpoints/shop", "application/json", `{"all": tru`, 400},
		{"POST", "/v1/endpoints/shop", "application/json", ``, 400},
		{"POST", "/v1/endpoints/shop", "text/plain", `{}`, 415},
		{"POST", "/v1/endpoints/shop", "application/json", `{"everything":true}`, 422},
		{"POST", "/v1/endpoints/shop", "application/json", `[]`, 422},
		{"POST", "/v1/endpoints/shop", "application/json", big, 413},
		{"PATCH", "/v1/endpoints/shop", "application/json", `{}`, 405},
		{"GET", "/v1/nodes?fleets=edge", "", "", 422},
		{"GET", "/v1/nodes?limit=0", "", "", 422},
		{"GET", "/v1/nodes?cursor=%25", "", "", 422},
		{"GET", "/v2/nodes", "", "", 404},
	} {
		response, text := call(t, c, tt.method, tt.path, tt.body, "Content-Type", tt.mediaType)
		if response.StatusCode != tt.status || response.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(text, fmt.Sprintf(`"status":%d`, tt.status)) {
			t.Errorf("%s %s %.30s: %d %s %.200s, want %d", tt.method, tt.path, tt.body, response.StatusCode, response.Header.Get("Content-Type"), text, tt.status)
		}
	}
}
