package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/server"
)

// adminOptions are what `gatehouse serve` is told about callers of the management API.
type adminOptions struct {
	peers   []string
	tls     []string
	hosts   []string
	callers string
}

// add adds the flags to a verb.
func (o *adminOptions) add(c *cobra.Command) {
	f := c.Flags()
	f.StringSliceVar(&o.peers, "socket-uid", nil, "a `USER` that may connect to the sockets, beside this user and root, as UID, UID:ROLE or UID:member:TEAM (ROLE: viewer, member, operator, admin; default operator); may be repeated")
	orEnvironment(f, "socket-uid", "GATEHOUSE_SOCKET_UID")
	f.StringSliceVar(&o.tls, "admin-tls", nil, "`FILES` by which the management API is served over TLS, then at any address: CERTIFICATE,KEY[,CLIENT-CA]")
	orEnvironment(f, "admin-tls", "GATEHOUSE_ADMIN_TLS")
	f.StringSliceVar(&o.hosts, "admin-host", nil, "`NAMES` by which the management API is called over TCP, beside localhost and loopback addresses")
	orEnvironment(f, "admin-host", "GATEHOUSE_ADMIN_HOSTS")
	f.StringVar(&o.callers, "admin-callers", "", "YAML `FILE` that gives roles to callers with a token of an OpenID Connect issuer, or with a client certificate")
	orEnvironment(f, "admin-callers", "GATEHOUSE_ADMIN_CALLERS")
}

// apply turns the flags into what the server is told.
func (o *adminOptions) apply(to *server.Options) error {
	to.AdminHosts = o.hosts
	switch len(o.tls) {
	case 0:
	case 2, 3:
		to.AdminTLS = server.AdminTLS{Certificate: o.tls[0], Key: o.tls[1]}
		if len(o.tls) == 3 {
			to.AdminTLS.ClientCA = o.tls[2]
		}
	default:
		return usageError{errors.New("--admin-tls: name two or three files: CERTIFICATE,KEY[,CLIENT-CA]")}
	}
	if err := o.users(to); err != nil {
		return usageError{fmt.Errorf("--socket-uid: %w", err)}
	}
	if o.callers == "" {
		return nil
	}
	rules, err := readCallers(o.callers)
	if err != nil {
		return fmt.Errorf("--admin-callers: %w", err)
	}
	to.Callers = rules
	if len(rules.Certificates) > 0 && to.AdminTLS.ClientCA == "" {
		return usageError{errors.New("--admin-callers: rules for certificates need --admin-tls with a third file, the authority of the clients")}
	}
	return nil
}

// users reads who may connect to the sockets, and as what.
func (o *adminOptions) users(to *server.Options) error {
	to.SocketRoles = map[uint32]server.SocketRole{}
	for _, text := range o.peers {
		parts := strings.SplitN(text, ":", 3)
		uid, err := strconv.ParseUint(parts[0], 10, 32)
		if err != nil {
			return fmt.Errorf("there is no user %q: write UID, UID:ROLE or UID:member:TEAM", parts[0])
		}
		to.SocketUIDs = append(to.SocketUIDs, uint32(uid))
		if len(parts) == 1 {
			continue
		}
		as := server.SocketRole{Role: admin.Role(parts[1])}
		if len(parts) == 3 {
			as.Team = parts[2]
		}
		if err := checkRole(as.Role, as.Team); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
		to.SocketRoles[uint32(uid)] = as
	}
	return nil
}

// checkRole refuses a role that is none, and a team where there is to be none.
func checkRole(role admin.Role, team string) error {
	switch {
	case !slices.Contains([]admin.Role{admin.Viewer, admin.Member, admin.Operator, admin.Admin}, role):
		return fmt.Errorf("%q is no role: choose viewer, member, operator or admin", role)
	case (role == admin.Member) != (team != ""):
		return errors.New("a member belongs to a team, and nobody else does")
	}
	return nil
}

// callersFile is what --admin-callers names.
type callersFile struct {
	Issuers []struct {
		Issuer   string
		Audience string
		Name     string
		CA       string
		Roles    []struct{ Claim, Value, Role, Team string }
	}
	Certificates []struct{ Name, Role, Team string }
}

// readCallers reads a file of rules for callers. Paths in it are relative to it.
func readCallers(path string) (rules admin.CallerRules, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return rules, err
	}
	var file callersFile
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		return rules, fmt.Errorf("%s: %w", path, err)
	}
	for _, i := range file.Issuers {
		issuer := admin.CallerIssuer{Issuer: i.Issuer, Audience: i.Audience, Name: i.Name}
		for _, r := range i.Roles {
			if err := checkRole(admin.Role(r.Role), r.Team); err != nil {
				return rules, fmt.Errorf("%s: issuer %s: %w", path, i.Issuer, err)
			}
			if r.Claim == "" || r.Value == "" {
				return rules, fmt.Errorf("%s: issuer %s: a role is given for a claim with a value", path, i.Issuer)
			}
			issuer.Roles = append(issuer.Roles, admin.ClaimRule{Claim: r.Claim, Value: r.Value, Role: admin.Role(r.Role), Team: r.Team})
		}
		if i.CA != "" {
			ca := i.CA
			if !filepath.IsAbs(ca) {
				ca = filepath.Join(filepath.Dir(path), ca)
			}
			if issuer.CA, err = os.ReadFile(ca); err != nil {
				return rules, fmt.Errorf("%s: issuer %s: %w", path, i.Issuer, err)
			}
		}
		rules.Issuers = append(rules.Issuers, issuer)
	}
	for _, c := range file.Certificates {
		if err := checkRole(admin.Role(c.Role), c.Team); err != nil || c.Name == "" {
			return rules, fmt.Errorf("%s: certificate %q: a name and a role: %w", path, c.Name, err)
		}
		rules.Certificates = append(rules.Certificates, admin.CertificateRule{Name: c.Name, Role: admin.Role(c.Role), Team: c.Team})
	}
	return rules, nil
}
