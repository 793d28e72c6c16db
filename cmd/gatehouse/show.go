package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/transcript"
)

// builtBinary is how the commands of an example call gatehouse: from the root of a checkout, after `make build`.
const builtBinary = "bin/gatehouse"

// show prints what listens where and, the first time, commands to copy.
func (t *trial) show(r *gateway.Revision) {
	out := t.options.env.stdout
	if t.shown {
		fmt.Fprintf(t.options.env.stderr, "revision %s is in use: %s, %s\n", short(r.ID), count(len(r.APIs), "API"), count(len(r.Routes), "route"))
	}
	if text := listeners(r); text != t.listeners {
		t.listeners = text
		fmt.Fprint(out, text)
	}
	if t.shown {
		return
	}
	t.shown = true
	if len(r.Gateways) == 0 {
		fmt.Fprintf(t.options.env.stderr, "there is no Gateway yet: %s\n", t.wanted())
	}
	if commands := t.commands(r); len(commands) > 0 {
		fmt.Fprintf(out, "\nTry:\n\n%s\n\n", strings.Join(commands, "\n\n"))
	}
	if slices.ContainsFunc(r.Routes, func(x *gateway.Route) bool { return x.TakesKey() != nil }) {
		fmt.Fprintf(out, "Make an API key:\n\n%s key create try-out --new-app %s\n\n", t.options.env.program, t.where())
	}
	fmt.Fprintf(out, "Ask what runs:\n\n%s nodes %s\n\n", t.options.env.program, t.where())
	fmt.Fprintln(t.options.env.stderr, "Ctrl-C ends all.")
}

// where returns the flags by which other verbs find this daemon.
func (t *trial) where() string {
	if t.options.admin == "" {
		return "--state " + t.options.state
	}
	flags := "--server " + t.options.admin
	if !strings.HasPrefix(t.options.admin, envoy.SocketScheme) {
		flags += " --admin-token file:" + filepath.Join(t.options.state, "admin-token")
	}
	return flags
}

// listeners says what listens where.
func listeners(r *gateway.Revision) string {
	var out strings.Builder
	for _, fleet := range fleetsOf(r) {
		fmt.Fprintf(&out, "fleet %s, Envoy %s:\n", fleet, envoy.Version())
		for _, g := range r.Gateways {
			if g.Fleet != fleet {
				continue
			}
			for _, l := range g.Listeners {
				fmt.Fprintf(&out, "  %s  listener %s of gateway %s\n", url(l), l.Name, g.Name)
			}
		}
	}
	return out.String()
}

// wanted says what to do about an empty configuration.
func (t *trial) wanted() string {
	if t.options.dir == "" {
		return "apply a directory that has one, as in gatehouse apply DIR " + t.where()
	}
	return "write one into " + t.options.dir
}

// commands returns those of the example's README, or one that calls the first route.
func (t *trial) commands(r *gateway.Revision) []string {
	if t.options.dir != "" {
		// A directory without such a page is usual; that it cannot be read hinders nobody.
		page, _ := os.ReadFile(filepath.Join(t.options.dir, "README.md"))
		if steps := transcript.Parse(string(page)); len(steps) > 0 {
			commands := make([]string, len(steps))
			for i, step := range steps {
				commands[i] = strings.ReplaceAll(step.Command, builtBinary, t.options.env.program)
			}
			return commands
		}
	}
	for _, x := range r.Routes {
		if x.Action == gateway.ActionForward && len(x.Gateway.Listeners) > 0 {
			return []string{call(x)}
		}
	}
	return nil
}

// call returns a curl command for a route.
func call(r *gateway.Route) string {
	command := "curl -i"
	if len(r.Match.Methods) > 0 && r.Match.Methods[0] != "GET" {
		command += " -X " + r.Match.Methods[0]
	}
	if k := r.TakesKey(); k != nil && k.Header != "" {
		command += " -H '" + k.Header + ": KEY'"
	}
	l := r.Gateway.Listeners[0]
	where := url(l)
	if len(r.Hosts) > 0 && !strings.HasPrefix(r.Hosts[0], gateway.AnyHost) {
		if l.TLS != nil { // The certificate is chosen by the host in the URL; who made it is not asked here.
			named := net.JoinHostPort(r.Hosts[0], strconv.Itoa(l.Port))
			command += " -k --connect-to " + named + ":" + strings.TrimPrefix(where, "https://")
			where = "https://" + named
		} else {
			command += " -H 'host: " + r.Hosts[0] + "'"
		}
	}
	path := r.Match.Path.Literal()
	if path == "" {
		path = "/"
	}
	return command + " " + where + path
}

// url returns where a listener is reached on this machine.
func url(l gateway.Listener) string {
	host := l.Address
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "http://"
	if l.TLS != nil {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, strconv.Itoa(l.Port))
}
