package cache

import (
	"errors"
	"strings"
	"testing"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
)

func TestWildcardByEmptyFirstRequest(t *testing.T) {
	c := newClient(t, "cluster:a@1 cluster:b@1")
	c.asks("cluster", "", "cluster +a +b")
	c.acks("cluster")
	c.use("cluster:a@1 cluster:b@2 cluster:c@1", "cluster +b +c")
}

func TestExplicitWildcard(t *testing.T) {
	c := newClient(t, "cluster:a@1 eds:a@1 eds:b@1")
	c.asks("eds", "+*", "eds +a +b")
	c.acks("eds")
	c.asks("eds", "+*", "eds +a +b") // asked again, so answered again
	c.acks("eds")
	c.asks("eds", "-*")
	c.use("eds:a@2")
}

func TestEmptyFirstRequestIsNoWildcardForNamedTypes(t *testing.T) {
	for _, short := range []string{"eds", "secret", "ecds", "rds"} {
		c := newClient(t, short+":a@1")
		c.asks(short, "")
		c.asks(short, "+a", short+" +a")
	}
}

// Envoy's start waits for an answer to CDS and LDS, even an empty one; an empty one to VHDS does not help it.
func TestEmptySnapshotAnswersOnlyWhereEnvoyWaits(t *testing.T) {
	c := newClient(t, "secret:s@1")
	c.asks("cluster", "", "cluster")
	c.asks("listener", "") // not before the clusters are acknowledged
	c.acks("cluster", "listener")
	c.acks("listener")
	c.asks("vhost", "")
}

func TestNamedSubscription(t *testing.T) {
	c := newClient(t, "eds:a@1 eds:b@1 eds:c@1")
	c.asks("eds", "+a", "eds +a")
	c.acks("eds")
	c.asks("eds", "+b", "eds +b")
	c.acks("eds")
	c.use("eds:a@2 eds:b@1 eds:c@2", "eds +a")
	c.acks("eds")
	c.asks("eds", "-a")
	c.use("eds:a@3 eds:b@1 eds:c@2")
}

func TestResubscriptionIsAnsweredThoughNothingChanged(t *testing.T) {
	c := newClient(t, "eds:a@1")
	c.asks("eds", "+a", "eds +a")
	c.acks("eds")
	c.asks("eds", "+a", "eds +a")
	c.acks("eds")
	c.asks("eds", "-a")
	c.asks("eds", "+a", "eds +a")
}

func TestResubscriptionWhileAResponseIsOutstanding(t *testing.T) {
	c := newClient(t, "eds:a@1")
	c.asks("eds", "+a", "eds +a")
	c.asks("eds", "-a")
	c.asks("eds", "+a")
	c.acks("eds", "eds +a")
	c.acks("eds")
}

func TestUnknownNameIsAnsweredAtOnce(t *testing.T) {
	c := newClient(t, "eds:a@1")
	c.asks("eds", "+nobody", "eds -nobody")
	c.acks("eds")
	c.use("eds:a@1 eds:b@1") // told once
	c.use("eds:a@1 eds:nobody@1", "eds +nobody")
}

func TestUnsubscribedNameOfAWildcardIsToldAgain(t *testing.T) {
	c := newClient(t, "cluster:a@1 cluster:b@1")
	c.asks("cluster", "+* +a", "cluster +a +b")
	c.acks("cluster")
	c.asks("cluster", "-a", "cluster +a") // the client forgot it, and still wants everything
}

func TestReconnectSendsNothingThatIsHeld(t *testing.T) {
	const words = "cluster:a@1 eds:a@1 listener:l@1 rds:rc@1 vhost:rc/a@1 vhost:rc/b@1"
	c := newClient(t, words)
	c.asks("cluster", "=a@1")
	c.asks("eds", "+a =a@1")
	c.asks("listener", "=l@1")
	c.asks("rds", "+rc =rc@1")
	c.asks("vhost", "=rc/a@1 =rc/b@1")
	if got := c.stream.state(); got != StateSynced {
		t.Errorf("state %s, want %s", got, StateSynced)
	}
	if c.stream.acknowledged.revision != words {
		t.Errorf("acknowledged revision %q, want %q", c.stream.acknowledged, words)
	}
}

// A daemon that lost its store must not take endpoints away from Envoys that run.
func TestUnknownEndpointsReplaceNone(t *testing.T) {
	c := newClient(t, "cluster:a@1 cluster:b@1 eds:a@unknown eds:b@unknown")
	c.asks("cluster", "=a@1 =b@1")
	c.asks("eds", "+a =a@7 +b", "eds +b") // b has never had any, and must not wait for it
	c.acks("eds")
	if got := c.stream.typeStatus(endpoints); got.Acknowledged != 2 {
		t.Errorf("%d of 2 are acknowledged", got.Acknowledged)
	}
	c.use("cluster:a@1 cluster:b@1 eds:a@8 eds:b@8", "eds +a +b")
	c.acks("eds")
	c.use("cluster:a@1 cluster:b@1 eds:a@unknown eds:b@9", "eds +b")
	c.acks("eds")
	c.use("cluster:a@1 cluster:b@1 eds:a@ eds:b@9", "eds +a") // none, by somebody's word
}

// It does not matter in which order the types are asked for again.
func TestReconnectWithVirtualHostsFirst(t *testing.T) {
	c := newClient(t, "rds:rc@1 vhost:rc/a@2 vhost:rc/b@1")
	c.asks("vhost", "=rc/a@1 =rc/b@1 =rc/gone@1", "vhost -rc/gone")
	c.acks("vhost")
	c.asks("rds", "+rc =rc@1", "vhost +rc/a")
}

func TestReconnectNamesWhatVanishedAndSendsWhatChanged(t *testing.T) {
	c := newClient(t, "cluster:a@1 cluster:b@2 listener:l@1")
	c.asks("cluster", "=a@1 =b@1 =gone@1", "cluster +b") // what goes away waits for the routes
	c.asks("listener", "=l@1 =old@1")
	c.asks("eds", "")
	c.acks("cluster", "listener -old")
	c.asks("rds", "")
	c.asks("vhost", "")
	c.acks("listener")
	c.expire(graced, "cluster -gone")
}

func TestOneResponseIsOutstandingAndChangesCoalesce(t *testing.T) {
	c := newClient(t, "secret:s@1")
	c.asks("secret", "+s", "secret +s")
	c.use("secret:s@2")
	c.use("secret:s@3")
	c.acks("secret", "secret +s")
	c.acks("secret")
}

func TestChangeBackWhileAResponseIsOutstanding(t *testing.T) {
	c := newClient(t, "secret:s@1")
	c.asks("secret", "+s", "secret +s")
	c.acks("secret")
	c.use("secret:s@2", "secret +s")
	c.use("secret:s@1") // the client has @2 in its hands
	c.acks("secret", "secret +s")
}

func TestStaleNonceSettlesNothing(t *testing.T) {
	c := newClient(t, "secret:s@1")
	c.asks("secret", "+s", "secret +s")
	first := c.nonces["secret"]
	c.acks("secret")
	c.use("secret:s@2", "secret +s")
	c.sends(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: TypeSecret, ResponseNonce: first})
	c.use("secret:s@3") // @2 is still outstanding
	c.acks("secret", "secret +s")
	// What a request wants counts, whatever its nonce.
	c.sends(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: TypeSecret, ResponseNonce: first, ResourceNamesSubscribe: []string{"other"}})
	c.acks("secret", "secret -other")
}

func TestFleetWithoutSnapshotWaits(t *testing.T) {
	c := newClient(t, "")
	c.asks("cluster", "")
	c.asks("eds", "+a")
	if got := c.stream.state(); got != StateWaiting {
		t.Errorf("state %s, want %s", got, StateWaiting)
	}
	c.use("cluster:a@1 eds:a@1", "cluster +a", "eds +a")
}

func TestBoundsEndTheStream(t *testing.T) {
	names := make([]string, 1001)
	for i := range names {
		names[i] = strings.Repeat("n", i%10) + string(rune('a'+i%26))
	}
	long := strings.Repeat("x", maxName+1)
	for name, req := range map[string]*discoveryv3.DeltaDiscoveryRequest{
		"too many names":         {TypeUrl: TypeSecret, ResourceNamesSubscribe: names},
		"long name":              {TypeUrl: TypeSecret, ResourceNamesSubscribe: []string{long}},
		"long name of a version": {TypeUrl: TypeSecret, InitialResourceVersions: map[string]string{long: "1"}},
		"long version":           {TypeUrl: TypeSecret, InitialResourceVersions: map[string]string{"s": long}},
	} {
		c := newClient(t, "secret:s@1")
		if _, _, err := c.stream.Request(req); !errors.Is(err, errTooMuch) {
			t.Errorf("%s: error %v, want %v", name, err, errTooMuch)
		}
	}
}

// What one type forces another to send is forgotten with its snapshot, if the other is never asked for.
func TestConsequencesAreBounded(t *testing.T) {
	c := newClient(t, "")
	c.asks("cluster", "")
	for _, name := range []string{"a", "b", "c", "d"} {
		c.stream.Use(shot(t, "cluster:"+name+"@1 eds:"+name+"@1"))
		c.stream.answer(clusters, &discoveryv3.DeltaDiscoveryRequest{ResponseNonce: c.stream.types[clusters].flight.nonce})
	}
	if got := len(c.stream.types[endpoints].pending); got > 1 {
		t.Errorf("%d endpoints are to be sent, of a snapshot with one", got)
	}
}

func TestUnservedTypeIsNoReasonToEndTheStream(t *testing.T) {
	c := newClient(t, "secret:s@1")
	_, _, err := c.stream.Request(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: typePrefix + "envoy.service.runtime.v3.Runtime"})
	if !errors.Is(err, errUnservedType) {
		t.Errorf("error %v, want %v", err, errUnservedType)
	}
	c.asks("secret", "+s", "secret +s")
}

// The server ended after it had sent a route configuration, and before the virtual hosts that follow it.
func TestReconnectSendsHostsThatWereOwed(t *testing.T) {
	const words = "rds:rc@1 rds:other@1 vhost:rc/a@1 vhost:rc/b@1 vhost:other/x@1"
	c := newClient(t, words)
	c.asks("rds", "+rc +other =rc@1 =other@1")
	c.asks("vhost", "=other/x@1", "vhost +rc/a +rc/b")
	c = newClient(t, words)
	c.asks("vhost", "=other/x@1")
	c.asks("rds", "+rc +other =rc@1 =other@1", "vhost +rc/a +rc/b")
}
