package gateway

// Observed is what is learnt while the daemon runs and stands in no document: it changes without a new Revision, and is no
// part of a content id, a plan or a rollback. It is immutable; a change is a new value. nil stands for nothing observed.
type Observed struct {
	// Endpoints of Upstreams whose endpoints are pushed, read from a file or resolved, by the Upstream's name. No entry: nothing
	// is known, which is not the same as none: Envoys that have some keep them.
	Endpoints map[string][]Endpoint
	// KeySets of Issuers whose keys are read from a watched file (JWKS, public keys only), by the Issuer's name.
	KeySets map[string][]byte
	// Certificates are what the files of Certificates hold now, by the Certificate's name.
	Certificates map[string]KeyPair
	// Roots are the authorities that the daemon's system trusts; empty where no Upstream is verified by them.
	Roots Roots
}

// Roots are authorities that a system trusts.
type Roots struct {
	PEM  []byte
	File string // Where they were read, an absolute path on the daemon's host.
}
