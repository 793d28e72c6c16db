package cache

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRefusedContentIsNotSentAgain(t *testing.T) {
	c := newClient(t, "secret:s@1 secret:x@1")
	c.asks("secret", "+s", "secret +s")
	c.nacks("secret")
	c.use("secret:s@1 secret:x@2")
	c.use("secret:s@2 secret:x@2", "secret +s")
	c.nacks("secret")
	c.use("secret:s@1 secret:x@2") // the first refusal is not forgotten
	c.use("secret:s@3 secret:x@2", "secret +s")
	c.acks("secret")
}

// After a refusal nobody knows what Envoy holds, so going back is a change.
func TestGoingBackAfterARefusalIsSent(t *testing.T) {
	c := newClient(t, "secret:s@1")
	c.asks("secret", "+s", "secret +s")
	c.acks("secret")
	c.use("secret:s@2", "secret +s")
	c.nacks("secret")
	c.use("secret:s@1", "secret +s")
}

func TestRefusalWhileTheNextChangeWaits(t *testing.T) {
	c := newClient(t, "secret:s@1")
	c.asks("secret", "+s", "secret +s")
	c.use("secret:s@2")
	c.nacks("secret", "secret +s")
}

func TestRefusedRevisionIsNotAcknowledged(t *testing.T) {
	c := synced(t, bank)
	c.use("cluster:a@1 eds:a@1 listener:l@1 rds:rc@1 vhost:rc/a@2", "vhost +rc/a")
	c.nacks("vhost")
	if got := c.stream.state(); got != StateRefused || c.stream.acknowledged.revision != bank {
		t.Errorf("state %s, acknowledged revision %q", got, c.stream.acknowledged)
	}
}

func TestRefusedContentIsSentWhenItIsAskedFor(t *testing.T) {
	c := newClient(t, "secret:s@1")
	c.asks("secret", "+s", "secret +s")
	c.nacks("secret")
	c.asks("secret", "+s", "secret +s")
}

// A content that was refused alone is guilty, whatever becomes of those with which it was refused before.
func TestContentRefusedAloneIsProven(t *testing.T) {
	c := newClient(t, "secret:a@1 secret:b@1")
	c.asks("secret", "+a +b", "secret +a +b")
	c.nacks("secret", "secret +a")
	c.nacks("secret", "secret +b")
	c.acks("secret")
	c.use("secret:a@1 secret:b@2", "secret +b")
	c.acks("secret")
}

func TestRefusalIsDescribed(t *testing.T) {
	s := shot(t, "vhost:rc/a@1 vhost:rc/b@1 vhost:rc/c@1")
	r := &reply{kind: virtualHosts, sent: map[string]*Resource{
		"rc/a": s.get(virtualHosts, "rc/a"), "rc/b": s.get(virtualHosts, "rc/b"), "rc/gone": nil,
	}, text: "cannot load 'rc/b': missing ]"}
	now := time.Unix(1_800_000_000, 0)
	want := &Refusal{Type: TypeVirtualHost, Text: "cannot load 'rc/b': missing ]", Time: now, Total: 3, Suspects: []Suspect{
		{Name: "rc/b", Version: s.get(virtualHosts, "rc/b").Version, Origin: "bank.yaml:rc/b", Named: true},
		{Name: "rc/a", Version: s.get(virtualHosts, "rc/a").Version, Origin: "bank.yaml:rc/a"},
		{Name: "rc/gone"},
	}}
	got := newRefusal(r, now)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"bank.yaml:rc/b", "bank.yaml:rc/a"}, got.Origins()); diff != "" {
		t.Error(diff)
	}
}

func TestEnvoysWordsAreCleaned(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"as it is": {"route: unknown cluster 'x'", "route: unknown cluster 'x'"},
		"dump of a resource": {
			"name: \"s\"\nprivate_key { inline_string: \"hush\" }\n: Proto constraint validation failed (SecretValidationError.Name: too short)",
			"Proto constraint validation failed (SecretValidationError.Name: too short)",
		},
		"key":              {"cannot read -----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY----- here", "cannot read [redacted] here"},
		"key without end":  {"cannot read -----BEGIN PRIVATE KEY-----\nhush", "cannot read [redacted]"},
		"one line":         {"a\n  b", "a b"},
		"not valid UTF-8":  {"a\xffb", "ab"},
		"long and cut":     {strings.Repeat("x", 3*maxText), strings.Repeat("x", maxText)},
		"cut in a letter":  {strings.Repeat("x", maxText-1) + "é", strings.Repeat("x", maxText-1)},
		"nothing was said": {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := cleanText(test.text); got != test.want {
				t.Errorf("got %.80q, want %.80q", got, test.want)
			}
		})
	}
}

func TestSuspectsAreBounded(t *testing.T) {
	r := &reply{kind: secrets, sent: map[string]*Resource{}}
	for i := range 3 * maxSuspects {
		r.sent[fmt.Sprint(i)] = nil
	}
	got := newRefusal(r, time.Time{})
	if len(got.Suspects) != maxSuspects || got.Total != 3*maxSuspects {
		t.Errorf("%d suspects of %d, want %d of %d", len(got.Suspects), got.Total, maxSuspects, 3*maxSuspects)
	}
}
