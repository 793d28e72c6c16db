package cache

import (
	"testing"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
)

const bank = "cluster:a@1 eds:a@1 listener:l@1 rds:rc@1 vhost:rc/a@1 "

// synced returns a client that has everything.
func synced(t *testing.T, words string) *client {
	t.Helper()
	c := newClient(t, words)
	c.asks("cluster", "", "cluster +a")
	c.asks("eds", "+a", "eds +a")
	c.acks("eds")
	c.acks("cluster")
	c.asks("listener", "", "listener +l")
	c.acks("listener")
	c.asks("rds", "+rc", "rds +rc")
	c.asks("vhost", "", "vhost +rc/a")
	c.acks("rds")
	c.acks("vhost")
	if got := c.stream.state(); got != StateSynced {
		t.Fatalf("state %s, want %s", got, StateSynced)
	}
	return c
}

func TestFirstDeliveryWaitsForWarmClusters(t *testing.T) {
	c := newClient(t, bank+"secret:s@1 ecds:f@1")
	c.asks("cluster", "", "cluster +a")
	c.asks("listener", "")
	c.asks("eds", "+a", "eds +a")
	c.asks("secret", "+s", "secret +s")
	c.acks("secret")
	c.acks("eds")
	c.waits(made)
	c.acks("cluster", "listener +l")
	c.waits()
	c.asks("ecds", "+f", "ecds +f") // a listener's filters are not kept back
}

func TestBarrierIsBounded(t *testing.T) {
	c := synced(t, bank)
	c.use("cluster:a@2 eds:a@1 listener:l@1 rds:rc@1 vhost:rc/a@2", "cluster +a", "eds +a")
	c.acks("eds")
	stale := c.stream.Waiting()[made]
	c.expire(made, "vhost +rc/a")
	c.acks("vhost")
	// What it waited for in vain holds up nothing else, and a new cluster is waited for anew.
	overdue := c.nonces["cluster"]
	c.use("cluster:a@2 eds:a@1 listener:l@1 rds:rc@1 vhost:rc/a@3", "vhost +rc/a")
	c.acks("vhost")
	c.use("cluster:a@2 eds:a@1 cluster:b@1 listener:l@1 rds:rc@1 vhost:rc/a@4-b", "cluster +b")
	c.expect(c.stream.Expire(stale))
	c.waits(made)
	c.sends(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: TypeCluster, ResponseNonce: overdue})
	c.acks("cluster", "vhost +rc/a")
}

// A snapshot that comes while one waits does not start the wait again, or routes might never be sent.
func TestBarrierIsNotProlonged(t *testing.T) {
	c := synced(t, bank)
	c.use("cluster:a@2 eds:a@1 listener:l@1 rds:rc@1 vhost:rc/a@2", "cluster +a", "eds +a")
	id := c.stream.Waiting()
	c.use("cluster:a@3 eds:a@1 listener:l@1 rds:rc@1 vhost:rc/a@3")
	if id[made] == 0 || c.stream.Waiting() != id {
		t.Error("the wait began anew")
	}
}

func TestMakeBeforeBreak(t *testing.T) {
	c := synced(t, bank)
	c.use("cluster:b@1 eds:b@1 listener:l@1 rds:rc@1 vhost:rc/a@2", "cluster +b")
	c.asks("eds", "+b", "eds +b")
	c.acks("eds")
	c.acks("cluster", "vhost +rc/a")
	c.waits(routed)
	c.acks("vhost")
	c.waits(graced)
	c.expire(graced, "cluster -a")
	c.asks("eds", "-a") // Envoy does so when a cluster goes
	c.waits()
	c.acks("cluster")
}

// Routes may name what is in a filter's configuration, so they follow it, even when it has to wait itself.
func TestRoutesWaitForFilterConfigurations(t *testing.T) {
	c := synced(t, bank+"ecds:f@1")
	c.asks("ecds", "+f", "ecds +f")
	c.use(bank + "ecds:f@2")
	c.use("cluster:a@1 eds:a@1 listener:l@1 rds:rc@1 vhost:rc/a@2 ecds:f@2")
	c.acks("ecds", "ecds +f", "vhost +rc/a")
}

func TestRemovalWaitIsBounded(t *testing.T) {
	c := synced(t, bank)
	c.use("cluster:b@1 listener:l@1 rds:rc@1 vhost:rc/a@2", "cluster +b")
	c.acks("cluster", "vhost +rc/a")
	c.expire(routed) // the routes are sent; Envoy reads them before what follows
	c.expire(graced, "cluster -a")
	c.acks("cluster", "eds -a")
}

// Removal after the deadline is only safe when the new routes are on their way.
func TestRemovalWaitsForUnsentRoutes(t *testing.T) {
	c := synced(t, bank)
	c.use(bank+"cluster:b@1", "cluster +b")
	c.acks("cluster")
	c.use("cluster:a@1 eds:a@1 cluster:b@1 listener:l@1 rds:rc@1 vhost:rc/a@2", "vhost +rc/a")
	c.use("cluster:a@1 eds:a@1 listener:l@1 rds:rc@1 vhost:rc/a@3") // @2 is outstanding
	c.expire(routed)
	c.waits()
	c.acks("vhost", "vhost +rc/a")
	c.acks("vhost")
	c.expire(graced, "cluster -b")
}

func TestRefusedRoutesKeepTheirClusters(t *testing.T) {
	c := synced(t, bank)
	c.use("cluster:b@1 eds:b@1 listener:l@1 rds:rc@1 vhost:rc/a@2", "cluster +b")
	c.acks("cluster", "vhost +rc/a")
	c.nacks("vhost") // so the old routes still serve, to the old cluster
	c.expire(routed)
	c.waits()
	c.use("cluster:b@1 eds:b@1 listener:l@1 rds:rc@1 vhost:rc/a@3", "vhost +rc/a")
	c.acks("vhost")
	c.expire(graced, "cluster -a")
}

func TestEndpointsFollowAChangedCluster(t *testing.T) {
	c := synced(t, bank)
	c.use("cluster:a@2 eds:a@1 listener:l@1 rds:rc@1 vhost:rc/a@1", "cluster +a", "eds +a")
}

// Endpoints that were sent before the changed cluster do not count: they are sent once more after it.
func TestEndpointsInFlightFollowAChangedCluster(t *testing.T) {
	c := synced(t, bank)
	c.use("cluster:a@1 eds:a@2 listener:l@1 rds:rc@1 vhost:rc/a@1", "eds +a")
	c.use("cluster:a@2 eds:a@2 listener:l@1 rds:rc@1 vhost:rc/a@1", "cluster +a")
	c.acks("eds", "eds +a")
}

// After a reconnection the changed cluster goes out before Envoy has said which endpoints it has.
func TestEndpointsFollowAClusterThatChangedWhileAway(t *testing.T) {
	c := newClient(t, "cluster:a@2 eds:a@1")
	c.asks("cluster", "=a@1", "cluster +a")
	c.asks("eds", "+a =a@1", "eds +a")
}

func TestVirtualHostsFollowARouteConfigurationThatIsSubscribed(t *testing.T) {
	c := synced(t, bank+"rds:other@1 vhost:other/x@1")
	c.asks("rds", "-rc")
	c.asks("rds", "+rc", "rds +rc", "vhost +rc/a") // dropped and added again, it starts empty
	c.acks("vhost")
	c.acks("rds")
	c.asks("rds", "+other", "rds +other", "vhost +other/x")
}

// Envoy throws away virtual hosts whose route configuration it does not have.
func TestVirtualHostsWaitForTheirRouteConfiguration(t *testing.T) {
	c := newClient(t, bank)
	c.asks("vhost", "")
	c.asks("rds", "+rc", "rds +rc", "vhost +rc/a")
}

func TestVirtualHostsFollowAnAcceptedRouteConfiguration(t *testing.T) {
	c := newClient(t, "rds:rc@1 vhost:rc/a@1")
	c.asks("rds", "+rc", "rds +rc")
	c.nacks("rds")
	c.asks("vhost", "", "vhost +rc/a") // it may have had an older one, which still serves
	c.acks("vhost")
	c.use("rds:rc@2 vhost:rc/a@1", "rds +rc", "vhost +rc/a")
}

func TestChangedRouteConfigurationKeepsItsVirtualHosts(t *testing.T) {
	c := synced(t, bank)
	c.use("cluster:a@1 eds:a@1 listener:l@1 rds:rc@2 vhost:rc/a@1", "rds +rc")
}

func TestOneVirtualHostIsSentAlone(t *testing.T) {
	c := newClient(t, "rds:rc@1 vhost:rc/a@1 vhost:rc/b@1 vhost:rc/c@1")
	c.asks("rds", "+rc", "rds +rc")
	c.asks("vhost", "", "vhost +rc/a +rc/b +rc/c")
	c.acks("vhost")
	c.use("rds:rc@1 vhost:rc/a@1 vhost:rc/b@2 vhost:rc/d@1", "vhost +rc/b +rc/d -rc/c")
}

// The hosts of a route configuration that goes away serve until its listener is gone.
func TestVirtualHostsOfADroppedRouteConfigurationGoLast(t *testing.T) {
	c := synced(t, bank)
	c.use("", "listener -l")
	c.asks("secret", "+s", "secret -s") // meanwhile
	c.acks("listener")
	c.expire(graced, "rds -rc", "vhost -rc/a")
	c.acks("rds")
	c.acks("vhost")
	c.expire(graced, "cluster -a") // its last routes have just gone
	c.acks("cluster", "eds -a")
}

// A client that comes back says what it has of one type after the other. Nothing may be concluded from those that it has not
// mentioned yet.
func TestReconnectKeepsTheOrder(t *testing.T) {
	c := newClient(t, "cluster:a@1 eds:a@1 ecds:f@2 listener:l@1 rds:rc@1 vhost:rc/a@2")
	c.asks("cluster", "=a@1 =gone@1")
	c.asks("eds", "+a =a@1")
	c.asks("listener", "=l@1")
	c.asks("vhost", "=rc/a@1")
	c.asks("rds", "+rc =rc@1")
	c.waits(made, routed)
	c.asks("ecds", "+f =f@1", "ecds +f", "vhost +rc/a")
	c.acks("ecds")
	c.acks("vhost")
	c.expire(graced, "cluster -gone")
}

func TestReconnectWithoutATypeIsBounded(t *testing.T) {
	c := newClient(t, "cluster:a@1 ecds:f@1 listener:l@2")
	c.asks("cluster", "=a@1 =gone@1")
	c.asks("listener", "=l@1") // its listeners have no use for the filter configuration
	c.expire(made, "listener +l")
	c.acks("listener")
	c.expire(routed) // nor for route configurations
	c.expire(graced, "cluster -gone")
}
