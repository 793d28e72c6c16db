package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/observed"
	"github.com/gatehouse/gatehouse/server"
)

// running asks the daemon about itself, and reports whether it answers.
func (o *doctorOptions) running(ctx context.Context) bool {
	client, err := o.daemon.dial(o.env)
	if err != nil {
		o.note("daemon", broken, err.Error(), "correct --server")
		return false
	}
	switch err := client.Ready(ctx); {
	case errors.Is(err, admin.ErrAway):
		o.note("daemon", worth, strings.SplitN(away(err).Error(), "\n", 2)[0], "start \"gatehouse serve\"; --server or --state says where it is asked")
		return false
	case errors.Is(err, admin.ErrNotReady):
		o.note("daemon", broken, err.Error(), "what it found wrong stands in its log and below")
	case err != nil:
		o.note("daemon", broken, err.Error(), "--admin-token names the token; on the socket the user must be allowed by --socket-uid")
		return false
	default:
		o.fine("daemon", "it is ready")
	}
	o.sockets(ctx)
	o.revision(ctx, client)
	o.nodes(ctx, client)
	o.rollouts(ctx, client)
	o.replicas(ctx, client)
	return true
}

// sockets tries each socket that Envoys on this machine use, where there is one.
func (o *doctorOptions) sockets(ctx context.Context) {
	dialer := net.Dialer{Timeout: time.Second}
	var dead []string
	for _, name := range []string{"xds", "authz", "ratelimit", "accesslog"} {
		path := strings.TrimPrefix(socketIn(o.daemon.state, name), envoy.SocketScheme)
		if _, err := os.Stat(path); err != nil {
			continue // It listens elsewhere, and Envoys say whether they reach it.
		}
		c, err := dialer.DialContext(ctx, "unix", path)
		if err != nil {
			dead = append(dead, err.Error())
			continue
		}
		_ = c.Close() // Only the connection was of interest.
	}
	if len(dead) > 0 {
		o.note("sockets", broken, strings.Join(dead, "; "), "may this user open them? --socket-uid of \"gatehouse serve\" lets others in; else start the daemon again")
		return
	}
	o.fine("sockets", "all answer")
}

// revision looks at what is in use.
func (o *doctorOptions) revision(ctx context.Context, client *admin.Client) {
	const check = "configuration"
	r, err := client.Revision(ctx)
	switch {
	case err != nil:
		o.note(check, broken, err.Error(), "ask again")
	case len(r.Substitutions) > 0:
		o.note(check, broken, fmt.Sprintf("%s in quarantine, the first %s: served by %s", count(len(r.Substitutions), "API"), r.Substitutions[0].Object, r.Substitutions[0].With), firstFault(r.Substitutions[0].Faults))
	case len(r.Faults) > 0:
		o.note(check, broken, count(len(r.Faults), "fault")+" in the last load; what was served before still is", firstFault(r.Faults))
	case r.ID == "":
		o.note(check, worth, "none is in use", "\"gatehouse init\" writes a first one, \"gatehouse apply\" puts it in use")
	default:
		o.fine(check, "entry %d, revision %s", r.Entry, short(r.ID))
	}
}

// firstFault says the first of several faults.
func firstFault(faults []gateway.Fault) string {
	if len(faults) == 0 {
		return ""
	}
	return "correct " + faults[0].Error()
}

// nodes looks for Envoys that are not as they should be.
func (o *doctorOptions) nodes(ctx context.Context, client *admin.Client) {
	const check = "envoys"
	nodes, err := client.Nodes(ctx, "")
	if err != nil {
		o.note(check, broken, err.Error(), "ask again")
		return
	}
	wrong := 0
	for _, n := range nodes {
		name := n.Fleet + "/" + n.Name
		switch {
		case n.State == admin.Refused || n.State == admin.RefusedLocal:
			o.note(check, broken, name+" refused what it should have", "\"gatehouse nodes show "+n.Name+"\" shows Envoy's words and the document")
		case n.State == admin.Waiting:
			o.note(check, worth, name+" waits: no Gateway has the fleet "+n.Fleet, "write a Gateway with fleet: "+n.Fleet+", or correct the Envoy's --fleet")
		case n.State == admin.Disconnected:
			o.note(check, worth, name+" is gone since "+n.Disconnected.UTC().Format(time.RFC3339), "does it run, and does it reach the daemon?")
		case n.Warning != "":
			o.note(check, worth, name+": "+n.Warning, "bring it up to date")
		default:
			continue
		}
		wrong++
	}
	if good := len(nodes) - wrong; good > 0 || wrong == 0 {
		o.fine(check, "%d as they should be", good)
	}
}

// rollouts looks for changes that wait for somebody.
func (o *doctorOptions) rollouts(ctx context.Context, client *admin.Client) {
	const check = "rollouts"
	found, err := client.Rollouts(ctx)
	if err != nil {
		o.note(check, broken, err.Error(), "ask again")
		return
	}
	wrong := 0
	for _, h := range found.Held {
		wrong++
		o.note(check, worth, fmt.Sprintf("entry %d is held: %s", h.Entry, h.Reason), fmt.Sprintf("\"gatehouse confirm %d\" if it is meant", h.Entry))
	}
	for _, r := range found.Rollouts {
		if r.Phase != "paused" && r.Phase != "refused" {
			continue
		}
		wrong++
		text := ""
		if r.Reason != nil {
			text = ": " + r.Reason.Text
		}
		o.note(check, worth, fmt.Sprintf("entry %d is %s in fleet %s%s", r.Entry, r.Phase, r.Fleet, text), "\"gatehouse rollout status "+r.Fleet+"\" tells more")
	}
	if wrong == 0 {
		o.fine(check, "none waits for anybody")
	}
}

// documents looks at a directory of documents: faults, ports, certificates.
func (o *doctorOptions) documents(ctx context.Context, alive bool) {
	const check = "documents"
	checked, faults := server.Check(o.dir, o.env.lookup)
	if len(faults) > 0 {
		o.note(check, broken, count(len(faults), "fault")+" in "+o.dir, firstFault(inDirectory(o.dir, faults)))
		return
	}
	o.fine(check, "%s: no faults", o.dir)
	for _, g := range checked.Revision.Gateways {
		for _, l := range g.Listeners {
			address := net.JoinHostPort(l.Address, fmt.Sprint(l.Port))
			switch free := bindable(ctx, address); {
			case !free && !alive:
				o.note("ports", worth, fmt.Sprintf("%s of listener %s/%s is taken, or not this user's to take", address, g.Name, l.Name), "find out by whom (ss -ltnp); a port below 1024 needs the right to bind it")
			case free:
				o.fine("ports", "%s of listener %s/%s is free", address, g.Name, l.Name)
			default:
				o.fine("ports", "%s of listener %s/%s is in use, by its Envoy if one runs here", address, g.Name, l.Name)
			}
		}
	}
	o.certificates(checked.Revision)
}

// certificates looks at when those of the documents expire.
func (o *doctorOptions) certificates(rev *gateway.Revision) {
	pairs, _ := observed.Certificates{Dir: o.dir, Now: o.env.now}.Read(rev.Certificates)
	for _, c := range rev.Certificates {
		pair, ok := pairs[c.Name]
		until := pair.Until.UTC().Format(time.RFC3339)
		switch left := pair.Until.Sub(o.env.now()); {
		case !ok:
			o.note("certificates", broken, c.Name+" cannot be read", "see what \"gatehouse validate\" says")
		case left < soon:
			o.note("certificates", worth, c.Name+" expires at "+until, "put the next one into its files: it is taken over by itself")
		default:
			o.fine("certificates", "%s, until %s", c.Name, until)
		}
	}
}
