package needs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Cable connects a Namespace with the network of a test, see Plug.
type Cable struct {
	Here  string // The address of the test's end.
	There string // The address of the other end.

	t      testing.TB
	ip     string
	within string // The same program in the Namespace.
}

// What a cable is made of. The network of the test is its own, so that nobody else has these.
const (
	cableHere, cableThere     = "cable0", "cable1"
	addressHere, addressThere = "192.0.2.1", "192.0.2.2"
	nobodysHardware           = "02:00:00:00:00:01"
	cableTimeout              = 10 * time.Second
)

// Plug connects the Namespace with the network of the test, which must be its own (OwnNetwork). A Namespace takes one cable.
func (n *Namespace) Plug(t testing.TB) *Cable {
	t.Helper()
	ip := Binary(t, "ip")
	c := &Cable{Here: addressHere, There: addressThere, t: t, ip: ip, within: n.Within(t, ip)}
	c.run(ip, "link", "add", "name", cableHere, "type", "veth", "peer", "name", cableThere)
	c.run(ip, "link", "set", cableThere, "netns", fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.network.Fd()))
	c.run(ip, "addr", "add", addressHere+"/24", "dev", cableHere)
	c.run(ip, "link", "set", cableHere, "up")
	c.run(c.within, "addr", "add", addressThere+"/24", "dev", cableThere)
	c.run(c.within, "link", "set", cableThere, "up")
	return c
}

// Cut lets nothing through any more, either way: what is sent is lost, and nobody is told. Both ends send to hardware that nobody has.
func (c *Cable) Cut() {
	c.t.Helper()
	c.run(c.ip, "neigh", "replace", addressThere, "lladdr", nobodysHardware, "dev", cableHere, "nud", "permanent")
	c.run(c.within, "neigh", "replace", addressHere, "lladdr", nobodysHardware, "dev", cableThere, "nud", "permanent")
}

// Mend lets everything through again.
func (c *Cable) Mend() {
	c.t.Helper()
	c.run(c.ip, "neigh", "del", addressThere, "dev", cableHere)
	c.run(c.within, "neigh", "del", addressHere, "dev", cableThere)
}

func (c *Cable) run(command string, args ...string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.t.Context()), cableTimeout)
	defer cancel()
	if out, err := exec.CommandContext(ctx, command, args...).CombinedOutput(); err != nil {
		c.t.Fatalf("ip %q: %v: %s", args, err, out)
	}
}
