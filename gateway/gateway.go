// Package gateway is the model: what a person means when they write documents, as pure values, and the rules those values
// obey.
//
// In: Documents, as a loader read them, each object with its Origin. Out: an immutable Revision, in which every name is
// resolved and every operation has become a Route, or Faults that say what is wrong and where. It reads no file, opens no
// connection and knows neither YAML nor Envoy.
package gateway

import (
	"net/netip"
	"time"
)

// Gateway is the edge of one fleet: where its Envoys listen and whom they trust about a client's address.
type Gateway struct {
	Name      string
	Fleet     string // Envoys whose node.cluster is this belong to it.
	Listeners []Listener
	Trust     Trust
	Timeouts  Timeouts
	// Health is the path at which the Envoys themselves answer whoever balances load over them: 200, or 503 while an Envoy
	// drains. Empty: nowhere.
	Health  string
	Rollout *Rollout `json:",omitempty"` // nil: as another Gateway of the fleet says, or the default.
	// LimitHeaders is how clients are told how their limits stand.
	LimitHeaders LimitHeaders `json:",omitempty"`
	Headers      Headers      `json:",omitzero"` // On every answer; an API and an operation decide before it.
	Pages        []Page       `json:",omitempty"`
	// Allow says which team may expose its APIs where; nil: every team everywhere.
	Allow     []Grant          `json:",omitempty"`
	Decisions *DecisionLog     `json:",omitempty"` // nil: as another Gateway of the fleet says, or the default.
	AccessLog *AccessLog       `json:",omitempty"` // nil: the Envoys write none of their own.
	Tracing   *Tracing         `json:",omitempty"` // nil: the Envoys send no spans.
	Authorize PlatformPolicies `json:",omitzero"`  // Around the policies of every API that is exposed here.
	Team      string           `json:"-"`          // Empty: the platform.
	Origin    Origin           `json:"-"`
}

// Listener is one address on which a Gateway accepts requests.
type Listener struct {
	Name    string
	Address string // An IP address; 0.0.0.0 and :: mean every interface.
	Port    int
	Hosts   []string // Exact names, "*.suffix" or "*"; never empty after Assemble.

	TLS      *ListenerTLS // nil: plain HTTP.
	Redirect *Redirect    // nil: requests are served; never set beside TLS.
}

// Trust says whose word about the client's address counts. The zero value trusts nobody: the address is the peer's.
type Trust struct {
	Hops          int            // Proxies in front of Envoy that append to X-Forwarded-For.
	Proxies       []netip.Prefix // Addresses whose X-Forwarded-For is believed.
	ProxyProtocol bool           // The PROXY protocol (HAProxy, version 1 and 2) comes first on each connection.
}

// Timeouts bound what a request waits for Gatehouse itself.
type Timeouts struct {
	Authorization time.Duration // For one ext_authz call.
	Limits        time.Duration // For one rate limit call.
}

// Upstream is a group of endpoints that serve the same thing. It becomes an Envoy cluster.
type Upstream struct {
	Name           string
	Endpoints      []Endpoint // As written, or as the watched file says when the documents are loaded.
	Discovery      *Discovery `json:",omitempty"` // nil: the endpoints are written out.
	Balance        Balance
	Protocol       Protocol
	Health         *Health // nil: endpoints are taken to be healthy.
	Timeout        time.Duration
	ConnectTimeout time.Duration
	Retries        *Retries // nil: never retried.
	Series         bool     `json:",omitempty"` // Envoys count it apart from the others.
	Team           string   `json:"-"`          // Empty: the platform.
	Shared         bool     `json:"-"`          // Whether APIs of other teams may use it.
	Origin         Origin   `json:"-"`
}

// Balance is how an Upstream's next endpoint is chosen.
type Balance string

// The ways to balance; they are Envoy's cluster lb_policy in our spelling.
const (
	RoundRobin   Balance = "round-robin"
	LeastRequest Balance = "least-request"
	Random       Balance = "random"
)

// Protocol is what an Upstream speaks.
type Protocol string

// The protocols of an Upstream.
const (
	HTTP1 Protocol = "http1"
	HTTP2 Protocol = "http2"
)

// Health is an active HTTP health check: GET Path, healthy on 200.
type Health struct {
	Path      string
	Interval  time.Duration
	Timeout   time.Duration
	Healthy   int // Successes in a row before an endpoint is used again.
	Unhealthy int // Failures in a row before it is left out.
}

// Retries of a failed request.
type Retries struct {
	Attempts int      // Beyond the first, for one request.
	Budget   float64  // Percent of active requests that may be retries at any time.
	On       []string // Envoy's retry_on conditions.
}

// Issuer issues tokens (JWT) that Envoy verifies against its key set.
type Issuer struct {
	Name      string
	Issuer    string   // The iss claim, byte for byte.
	Audiences []string // One of them must be in aud; empty: aud is not looked at.
	KeySet    []byte   // JWKS (RFC 7517), public keys only; where it is in a file, what that held when it was loaded.
	KeyFile   string   `json:",omitempty"` // Watched file of the key set, relative to the documents; empty: it is not in a file.
	KeyURL    *KeyURL  `json:",omitempty"` // Where the key set is fetched; nil: it is not.
	// Algorithms and Types are the alg and typ of a token's header, one of which it must have; empty: any that the keys allow.
	Algorithms []string `json:",omitempty"`
	Types      []string `json:",omitempty"`
	// MaxLifetime is how far ahead a token's exp may be at most; 0: any time.
	MaxLifetime time.Duration `json:",omitempty"`
	// Skew is by how much clocks may differ where exp and nbf are looked at, whole seconds; 0: a minute.
	Skew time.Duration `json:",omitempty"`
	// Introspection says how it is asked about opaque tokens; nil: it is not.
	Introspection *Introspection `json:",omitempty"`

	Mint   *Mint  `json:"-"` // Only for examples and tests.
	Team   string `json:"-"` // Empty: the platform.
	Shared bool   `json:"-"` // Whether APIs of other teams may use it.
	Origin Origin `json:"-"`
}

// Settings returns what an Issuer's document says. Keys that are watched are not among it: they rotate at once for all, without
// a new Revision and without new rules.
func (i *Issuer) Settings() Issuer {
	out := *i
	if i.Watched() {
		out.KeySet = nil
	}
	return out
}

// Mint lets `gatehouse token mint` sign tokens of an example's issuer. It is never for production.
type Mint struct {
	Key    []byte                    // A private key as JWK.
	Tokens map[string]map[string]any // Claims by the name given to mint.
}

// Policy is a Rego module whose rule decides.
type Policy struct {
	Name   string // Dots allowed: "bank.payments".
	Source string // Rego.
	File   string `json:"-"` // Where Source stands, for compile errors; the document's own file where it is inline.
	Line   int    `json:"-"` // Line in File on which Source starts, 1 where it is a file of its own.
	// Bundle is the Bundle whose modules and data this one sees, by name; its deciding rule may be there.
	Bundle string `json:",omitempty"`
	// Bundled is that Bundle. Assemble fills it. It is part of no rules hash.
	Bundled *Bundle `json:"-"`
	Entry   string  // Path of the deciding rule, "bank/payments/allow"; empty: the module's package and "allow".
	With    map[string]any
	Data    map[string]any // Becomes `data` beside the module.
	// DataFiles are files whose content becomes `data` too, each below its own path.
	DataFiles []DataFile `json:",omitempty"`
	// Imports are the Policies whose modules and data this one sees, by name.
	Imports []string `json:",omitempty"`
	// Imported are those Policies and what they import in turn, by name and without imports of their own. Assemble fills it.
	Imported []*Policy `json:",omitempty"`
	// Limit is how long one evaluation may take; 0: what the service does by default.
	Limit time.Duration `json:",omitempty"`
	// Hosts are the hosts that http.send may ask, "name" or "name:port"; empty: it may not be used.
	Hosts []string `json:",omitempty"`
	// Descriptors is a FileDescriptorSet (google/protobuf/descriptor.proto) by which bodies of gRPC calls are read.
	Descriptors []byte `json:",omitempty"`
	Team        string `json:"-"` // Empty: the platform.
	Shared      bool   `json:"-"` // Whether APIs of other teams may use it.
	Locked      bool   `json:"-"` // Only the platform may change or delete it.
	Origin      Origin `json:"-"`
}

// DataFile is a file of data of a Policy.
type DataFile struct {
	At   string // Names with dots between: "bank.accounts" becomes data.bank.accounts.
	File string `json:"-"` // As Policy.File.
	Sum  string // Hash of the content.
	// JSON is the content, which may be megabytes; Sum stands for it.
	JSON []byte `json:"-"`
}
