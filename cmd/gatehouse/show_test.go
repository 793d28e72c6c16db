package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

// TestTrialTellsHowToMakeAKey shows a revision: where a key suffices, the command that makes one is told, and the call has a place
// for it.
func TestTrialTellsHowToMakeAKey(t *testing.T) {
	t.Parallel()
	g := &gateway.Gateway{Name: "edge", Fleet: "edge", Listeners: []gateway.Listener{{Name: "http", Address: "0.0.0.0", Port: 8080}}}
	key := gateway.ResolvedProof{Kind: gateway.ByKey, Key: &gateway.KeyPlace{Header: "x-api-key"}}
	shown := func(ways ...gateway.Way) string {
		var out bytes.Buffer
		env := surroundings{stdout: &out, stderr: io.Discard, program: "gatehouse"}
		trial := &trial{options: &upOptions{env: env, state: "s"}}
		route := &gateway.Route{Gateway: g, Action: gateway.ActionForward, Ways: ways}
		trial.show(&gateway.Revision{Gateways: []*gateway.Gateway{g}, Routes: []*gateway.Route{route}})
		return out.String()
	}
	const command, header = "gatehouse key create try-out --new-app --state s\n", "-H 'x-api-key: KEY'"
	for name, one := range map[string]struct {
		ways []gateway.Way
		want bool
	}{
		"a key":                    {[]gateway.Way{{key}}, true},
		"a token or a key":         {[]gateway.Way{{{Kind: gateway.ByJWT}}, {key}}, true},
		"a key with a certificate": {[]gateway.Way{{key, {Kind: gateway.ByCertificate}}}, false},
		"no key":                   {nil, false},
	} {
		got := shown(one.ways...)
		if strings.Contains(got, command) != one.want || strings.Contains(got, header) != one.want {
			t.Errorf("%s: want told: %v, got\n%s", name, one.want, got)
		}
	}
}
