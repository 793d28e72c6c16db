package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/join"
	"github.com/gatehouse/gatehouse/server"
)

// addRemote adds the flags that let Envoys of other hosts in.
func addRemote(c *cobra.Command, r *server.Remote) {
	f := c.Flags()
	text := func(to *string, name, variable, otherwise, usage string) {
		f.StringVar(to, name, otherwise, usage)
		orEnvironment(f, name, variable)
	}
	list := func(to *[]string, name, variable, usage string) {
		f.StringSliceVar(to, name, nil, usage)
		orEnvironment(f, name, variable)
	}
	text(&r.Nodes, "nodes-address", "GATEHOUSE_NODES_ADDRESS", "", "`IP:port` at which Envoys of other hosts are served everything, over mutual TLS (default: none)")
	text(&r.Join, "join-address", "GATEHOUSE_JOIN_ADDRESS", "", "`IP:port` at which Envoys of other hosts join, by tokens, and renew (default: none)")
	list(&r.Services, "advertise", "GATEHOUSE_ADVERTISE", "`ADDRESSES` as IP:port by which those Envoys reach --nodes-address of this daemon; also of others, as IP:port@zone, that share no store with it (default: where they joined)")
	text(&r.Zone, "zone", "GATEHOUSE_ZONE", "", "the `ZONE` in which this daemon runs: Envoys of the same zone ask it first")
	list(&r.Hosts, "tls-host", "GATEHOUSE_TLS_HOSTS", "`NAMES` to be in the certificate of both, beside this host's")
	text(&r.Domain, "trust-domain", "GATEHOUSE_TRUST_DOMAIN", join.DefaultDomain, "the SPIFFE `DOMAIN` of the certificates, for life")
	f.DurationVar(&r.Life, "certificate-life", join.DefaultLife, "`DURATION` for which the certificate of an Envoy is valid")
	orEnvironment(f, "certificate-life", "GATEHOUSE_CERTIFICATE_LIFE")
	f.DurationVar(&r.Window, "renew-window", join.DefaultWindow, "`DURATION` for which an expired certificate may still be renewed; 0: not at all")
	orEnvironment(f, "renew-window", "GATEHOUSE_RENEW_WINDOW")
	text(&r.Own.Chain, "ca-chain", "GATEHOUSE_CA_CHAIN", "", "`FILE` with your own authority's certificate and what is above it (default: the built-in authority)")
	text(&r.Own.Key, "ca-key", "GATEHOUSE_CA_KEY", "", "`FILE` with its private key")
	text(&r.Own.Bundle, "ca-bundle", "GATEHOUSE_CA_BUNDLE", "", "`FILE` with the roots to trust")
}

// checkRemote reports what is wrong with the flags of addRemote, and turns them into what the server is told.
func checkRemote(r *server.Remote) error {
	if r.Nodes == "" && r.Join == "" {
		return nil
	}
	for flag, address := range map[string]string{"--nodes-address": r.Nodes, "--join-address": r.Join} {
		if _, err := netip.ParseAddrPort(address); address != "" && err != nil {
			return usageError{fmt.Errorf("%s: %q is not IP:port, such as 0.0.0.0:18000", flag, address)}
		}
	}
	for _, address := range r.Services {
		if _, err := envoy.Address(address); err != nil || strings.HasPrefix(address, envoy.SocketScheme) {
			return usageError{fmt.Errorf("--advertise: %q is not IP:port or IP:port@zone", address)}
		}
	}
	if r.Zone != "" {
		if err := envoy.CheckName("zone", r.Zone); err != nil {
			return usageError{fmt.Errorf("--zone: %w", err)}
		}
	}
	if own := r.Own; own != (join.OwnFiles{}) && (own.Chain == "" || own.Key == "" || own.Bundle == "") {
		return usageError{errors.New("your own authority is three files: --ca-chain, --ca-key and --ca-bundle")}
	}
	switch {
	case r.Life < time.Minute/10: // Shorter is for tests alone, which do not come this way.
		return usageError{fmt.Errorf("--certificate-life: %s is too short to be renewed in: 6s at least", r.Life)}
	case r.Window < 0:
		return usageError{fmt.Errorf("--renew-window: %s is no time", r.Window)}
	case r.Window == 0:
		r.Window = -1
	}
	if err := join.CheckDomain(r.Domain); err != nil {
		return usageError{fmt.Errorf("--trust-domain: %w", err)}
	}
	return nil
}
