package gateway

import "time"

// Bundle is policies and data that are built elsewhere and fetched as one archive (OPA's bundles). What it holds is observed: it is
// part of no Revision and no rules hash, and takes effect at once for all routes whose Policies name it.
type Bundle struct {
	Name     string
	URL      string        // Of the archive on an HTTP server; empty: it is on the daemon's host.
	Path     string        // Of the archive or directory there, relative to the configuration's directory or absolute.
	Interval time.Duration // Between two looks at it, a tenth more or less.
	Token    string        // Where the bearer token is, "env:NAME" or "file:path"; empty: none is sent.
	CA       []byte        // Certificates (PEM) by which the server's own is verified; nil: those of the daemon's host.
	Insecure bool          // Whether plain HTTP will do.
	Verify   []byte        // The public key (PEM) by which it must be signed; nil: it need not be.
	KeyID    string        // By which the signature names that key.
	Team     string        `json:"-"` // Empty: the platform.
	Shared   bool          `json:"-"` // Whether Policies of other teams may use it.
	Origin   Origin        `json:"-"`
}

// Source returns the name under which what this Bundle holds is known: another place or another key is another source, and what
// the one holds is no word of the other.
func (b *Bundle) Source() string {
	return b.Name + "@" + ContentHash([]any{b.URL, b.Path, b.Verify, b.KeyID})
}

// bundleOf returns the Bundle that a Policy names. What it may not use is a fault.
func (a *assembler) bundleOf(p *Policy) *Bundle {
	if p.Bundle == "" {
		return nil
	}
	object := Ref{Kind: KindPolicy, Name: p.Name}
	for _, b := range a.docs.Bundles {
		if b.Name != p.Bundle {
			continue
		}
		if b.Team != "" && !b.Shared && b.Team != p.Team {
			a.fault(CodeNotShared, object, p.Origin, "bundle",
				"the Bundle %s belongs to team %s, which does not share it: have it say shared: true, or name another", b.Name, b.Team)
		}
		return b
	}
	if !a.docs.Broken[Ref{Kind: KindBundle, Name: p.Bundle}] {
		a.fault(CodeDangling, object, p.Origin, "bundle", "there is no Bundle named %q: write one, or correct the name", p.Bundle)
	}
	return nil
}
