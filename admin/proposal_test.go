package admin

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestHostileProposals sends bodies that are no proposals: each is refused with few words, whatever its size, and none is quoted.
func TestHostileProposals(t *testing.T) {
	t.Parallel()
	c := &changing{plan: emptyPlan()}
	client := serveChanges(t, c)
	secret := "hunter2hunter2"
	for name, tt := range map[string]struct {
		body   string
		status int
	}{
		"nothing":            {"", 400},
		"no JSON":            {`{"source":"` + secret, 400},
		"two values":         {`{"source":"a"}{"source":"` + secret + `"}`, 400},
		"null":               {"null", 422},
		"a list":             {`["` + secret + `"]`, 422},
		"an unknown field":   {`{"sauce":"` + secret + `"}`, 422},
		"a number as source": {`{"source":7}`, 422},
		"no base64":          {`{"source":"a","files":{"a.yaml":"` + secret + `!"}}`, 422},
		"a million of edits": {`{"source":"a","edits":[` + strings.Repeat(`1,`, 1_000_000) + `1]}`, 422},
		"many empty edits":   {`{"source":"a","edits":[` + strings.Repeat(`{},`, 2_000) + `{}]}`, 422},
		"many fields":        {`{"source":"a","edits":[{"set":[` + strings.Repeat(`{"field":"a"},`, 200) + `{"field":"a"}]}]}`, 422},
		"no field":           {`{"source":"a","edits":[{"set":[{"value":"1"}]}]}`, 422},
		"a long message":     {`{"source":"a","message":"` + strings.Repeat("a", 1001) + `"}`, 422},
		"a base below 0":     {`{"source":"a","base":-1}`, 422},
		"many wrong files":   {`{"source":"a","files":{"a":"b",` + strings.Repeat(`"a":1,`, 100_000) + `"c":3}}`, 422},
	} {
		answer, text := call(t, client, http.MethodPost, "/v1/plan", tt.body, "Content-Type", "application/json")
		if answer.StatusCode != tt.status {
			t.Errorf("%s: %d %.200s", name, answer.StatusCode, text)
		}
		if len(text) > 2_000 || strings.Contains(text, secret) {
			t.Errorf("%s: the answer has %d bytes: %.300s", name, len(text), text)
		}
	}
	if answer, _ := call(t, client, http.MethodPost, "/v1/plan", `{"source":"a"}`, "Content-Type", "text/xml"); answer.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("XML: %d", answer.StatusCode)
	}
	if c.asked != nil {
		t.Errorf("planned: %+v", c.asked)
	}
	if _, err := client.Plan(t.Context(), Proposal{Source: "shop", Files: map[string][]byte{"a.yaml": {}}}); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

// TestFewAtOnce has one caller begin more than is worked out for one at once.
func TestFewAtOnce(t *testing.T) {
	t.Parallel()
	u := underway{of: map[string]*turns{}}
	ci, other := Caller{Name: "token ci", Token: "a"}, Caller{Name: "token ci", Token: "b"}
	var ends []func()
	for range proposalsAtOnce {
		ends = append(ends, u.begin(t.Context(), ci, time.Minute))
	}
	if u.begin(t.Context(), ci, time.Millisecond) != nil {
		t.Error("one more is begun")
	}
	if end := u.begin(t.Context(), other, time.Minute); end == nil {
		t.Error("another caller has to wait")
	} else {
		end()
	}
	waited := make(chan func())
	go func() { waited <- u.begin(t.Context(), ci, time.Minute) }()
	for _, end := range append(ends, func() { (<-waited)() }) {
		end()
	}
	if len(u.of) != 0 {
		t.Errorf("nothing is under way, and yet: %v", u.of)
	}
}

// TestFailuresAreCounted has a request fail beyond all expectation: it is answered, and counted.
func TestFailuresAreCounted(t *testing.T) {
	t.Parallel()
	failures := 0
	d := &door{options: &Options{Logger: slog.New(slog.DiscardHandler), Failed: func() { failures++ }}}
	answer := httptest.NewRecorder()
	d.contain(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/nodes", http.NoBody), func() { panic("no such thing") })
	if answer.Code != http.StatusInternalServerError || failures != 1 || strings.Contains(answer.Body.String(), "no such thing") {
		t.Errorf("%d, %d failures: %s", answer.Code, failures, answer.Body)
	}
}
