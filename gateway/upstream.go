package gateway

import "time"

// Upstream is a group of endpoints that serve the same thing. It becomes an Envoy cluster.
type Upstream struct {
	Name           string
	Endpoints      []Endpoint // As written, or as the watched file says when the documents are loaded.
	Discovery      *Discovery `json:",omitempty"` // nil: the endpoints are written out.
	Balance        Balance
	Balancing      Balancing `json:",omitzero"`
	Protocol       Protocol
	TLS            *UpstreamTLS `json:",omitempty"` // nil: plain HTTP.
	Health         *Health      // nil: endpoints are not asked.
	Ejection       *Ejection    `json:",omitempty"` // nil: failures of requests leave no endpoint out.
	Timeout        time.Duration
	ConnectTimeout time.Duration
	Connections    Connections
	Bulkhead       Bulkhead
	Retries        *Retries // nil: never retried.
	Series         bool     `json:",omitempty"` // Envoys count it apart from the others.
	// For is the API or Route whose requests alone use this, as "name/version"; empty: everybody's. It has a Bulkhead of its own.
	For    string `json:",omitempty"`
	Team   string `json:"-"` // Empty: the platform.
	Shared bool   `json:"-"` // Whether APIs of other teams may use it.
	Origin Origin `json:"-"`
}

// Protocol is what an Upstream speaks.
type Protocol string

// The protocols of an Upstream.
const (
	HTTP1 Protocol = "http1"
	HTTP2 Protocol = "http2"
)

// UpstreamTLS says how endpoints are reached by TLS. Who they are is verified unless Unverified says otherwise.
type UpstreamTLS struct {
	Authority []byte // Certificates of those who may have issued an endpoint's, PEM; nil: those that the daemon's system trusts.
	// Names are what an endpoint's certificate must be good for, any one of them. Not empty unless Unverified.
	Names      []string
	SNI        string `json:",omitempty"` // The host that is named to the endpoint (RFC 6066 3); empty: none is.
	Minimum    TLSVersion
	Identity   string `json:",omitempty"` // Name of the Certificate that is shown to endpoints; empty: none is.
	Unverified bool   `json:",omitempty"` // Whoever answers is believed.
}

// TrustsSystem reports whether endpoints are verified by the authorities that the daemon's system trusts.
func (t *UpstreamTLS) TrustsSystem() bool { return t != nil && !t.Unverified && len(t.Authority) == 0 }

// HealthCheck is how an endpoint is asked for its health.
type HealthCheck string

// The ways to ask.
const (
	HealthHTTP HealthCheck = "http" // GET Path.
	HealthGRPC HealthCheck = "grpc" // grpc.health.v1.Health/Check.
	HealthTCP  HealthCheck = "tcp"  // A connection.
)

// Health is an active health check.
type Health struct {
	Check     HealthCheck
	Path      string        // For HTTP.
	Host      string        `json:",omitempty"` // For HTTP and gRPC; empty: the Upstream's name.
	Statuses  []StatusRange `json:",omitempty"` // For HTTP; empty: 200.
	Service   string        `json:",omitempty"` // For gRPC; empty: the server as a whole.
	Interval  time.Duration
	Timeout   time.Duration
	Healthy   int // Successes in a row before an endpoint is used again.
	Unhealthy int // Failures in a row before it is left out.
}

// StatusRange is a range of statuses of HTTP, both ends within.
type StatusRange struct{ From, To int }

// Ejection leaves endpoints out, for a while, whose answers to requests say that something is wrong with them. A count of 0 is
// not looked at.
type Ejection struct {
	Errors        int           // Answers of 500 and above in a row.
	GatewayErrors int           // Answers of 502, 503 and 504 in a row.
	Failures      int           // Connections that failed, resets and timeouts in a row.
	SuccessRate   bool          // Leave out who succeeds far less often than the others.
	Interval      time.Duration // Between two looks at success rates, and at who may come back.
	For           time.Duration // The first time; longer each time it happens again.
	Most          float64       // Percent of the endpoints that may be out at one time; one always may.
}

// Connections to endpoints, those of each Envoy.
type Connections struct {
	Idle     time.Duration // How long one is kept without a request.
	Age      time.Duration `json:",omitempty"` // How long one is used at most; 0: as long as it lasts.
	Requests int           `json:",omitempty"` // On one connection at most; 0: any number.
}

// Bulkhead bounds what waits for an Upstream at one time, in each Envoy. What is above is refused with 503 at once.
type Bulkhead struct {
	Connections int // To all endpoints.
	PerEndpoint int `json:",omitempty"` // Connections to each endpoint; 0: as many as to all.
	Pending     int // Requests that wait for a connection.
	Requests    int // Requests under way.
}

// Over returns a bulkhead with what it does not say (0) from another.
func (b Bulkhead) Over(other Bulkhead) Bulkhead {
	for _, f := range []struct{ own, other *int }{
		{&b.Connections, &other.Connections}, {&b.PerEndpoint, &other.PerEndpoint}, {&b.Pending, &other.Pending}, {&b.Requests, &other.Requests},
	} {
		if *f.own == 0 {
			*f.own = *f.other
		}
	}
	return b
}

// Retries of a failed request.
type Retries struct {
	Attempts int           // Beyond the first, for one request.
	Budget   float64       // Percent of active requests that may be retries at any time.
	On       []string      // Envoy's retry_on conditions.
	Statuses []int         `json:",omitempty"` // Of answers that are tried again.
	Every    bool          `json:",omitempty"` // Requests of every method, not only of those that may be repeated (RFC 9110 9.2.2).
	Timeout  time.Duration `json:",omitempty"` // For each attempt; 0: that of the request.
	Base     time.Duration `json:",omitempty"` // Before the first retry, about; doubled with each. 0: 25 ms.
	Longest  time.Duration `json:",omitempty"` // Before any retry; 0: ten times Base.
}

// Waits are how long a route's requests may take. 0: as the Upstream says, or the listener.
type Waits struct {
	Request time.Duration `json:",omitempty"` // For the whole answer.
	Try     time.Duration `json:",omitempty"` // For each attempt.
	Idle    time.Duration `json:",omitempty"` // Without a byte in either direction.
	Stream  time.Duration `json:",omitempty"` // For all that a request does, bodies in both directions included.
}

// Over returns waits with what they do not say from others.
func (w Waits) Over(other Waits) Waits {
	for _, f := range []struct{ own, other *time.Duration }{
		{&w.Request, &other.Request}, {&w.Try, &other.Try}, {&w.Idle, &other.Idle}, {&w.Stream, &other.Stream},
	} {
		if *f.own == 0 {
			*f.own = *f.other
		}
	}
	return w
}

// Adaptive bounds the requests of a route that are under way by what its Upstream bears: an Envoy learns from latencies how many
// these are.
type Adaptive struct {
	Most     int           // Requests under way at any time.
	Interval time.Duration // Between two corrections.
}
