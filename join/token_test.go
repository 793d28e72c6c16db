package join_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/join"
)

func TestTicketText(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, node := range []string{"", "edge-7"} {
		text := h.token(join.Grant{Fleet: "edge", Node: node})
		ticket, err := join.ParseTicket(text)
		if err != nil {
			t.Fatal(err)
		}
		pin, err := h.authority.Pin()
		if err != nil {
			t.Fatal(err)
		}
		if ticket.Text() != text || ticket.Pin != pin || ticket.Domain != join.DefaultDomain || ticket.Node != node {
			t.Errorf("read %+v from a token for %q", ticket, node)
		}
		asJSON, err := json.Marshal(ticket)
		if err != nil {
			t.Fatal(err)
		}
		for _, printed := range []string{fmt.Sprintf("%v %+v %#v %s %d %x", ticket, ticket, ticket, ticket, ticket.Secret, ticket.Secret), string(asJSON)} {
			if strings.Contains(printed, fmt.Sprint(ticket.Secret[0], " ", ticket.Secret[1], " ", ticket.Secret[2])) ||
				strings.Contains(printed, fmt.Sprintf("%x", ticket.Secret[:4])) {
				t.Errorf("a ticket prints its secret: %s", printed)
			}
		}
		for i := range text { // Any character that is lost or changed is noticed.
			if _, err := join.ParseTicket(text[:i] + text[i+1:]); err == nil {
				t.Errorf("a token without its character %d is read", i)
			}
			other := byte('A')
			if text[i] == other {
				other = 'B'
			}
			if again, err := join.ParseTicket(text[:i] + string(other) + text[i+1:]); err == nil {
				t.Errorf("a token with another character %d is read as %v", i, again)
			} else if strings.Contains(err.Error(), text[25:40]) {
				t.Errorf("the error quotes the token: %v", err)
			}
		}
	}
}

func TestGrantsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, g := range []join.Grant{
		{},
		{Fleet: "a/b"},
		{Fleet: "edge", Node: "a/b"},
		{Fleet: "edge", Uses: -1},
		{Fleet: "edge", Uses: 10_001},
		{Fleet: "edge", Life: -time.Second},
		{Fleet: "edge", Life: time.Millisecond},
		{Fleet: "edge", Life: 366 * 24 * time.Hour},
	} {
		if _, _, err := h.service.Create(t.Context(), g); err == nil {
			t.Errorf("a token was made for %+v", g)
		}
	}
}

// FuzzParseTicket holds that no text makes the reading of tokens fail in another way than by an error.
func FuzzParseTicket(f *testing.F) {
	f.Add("ghj_aaaaaaaaaaaaaaaa_" + strings.Repeat("A", 120))
	f.Add("ghj__")
	f.Fuzz(func(t *testing.T, text string) {
		ticket, err := join.ParseTicket(text)
		if err == nil && ticket.Text() != strings.TrimSpace(text) {
			t.Errorf("%q is read as %q", text, ticket.Text())
		}
	})
}
