package gateway

// AccessLog is the access log that a Gateway's Envoys write themselves, a JSON object in a line for each request.
type AccessLog struct {
	To   string     // LogStdout, or the path of a file on the Envoy's host.
	Only LoggedOnly `json:",omitempty"`
}

// LogStdout is where an Envoy logs whose lines are gathered by whoever runs it.
const LogStdout = "stdout"

// LoggedOnly is which requests are logged.
type LoggedOnly string

// The choices of requests that are logged.
const (
	LoggedAll     LoggedOnly = ""
	LoggedRefused LoggedOnly = "refused" // Answers from 400 on.
	LoggedFailed  LoggedOnly = "failed"  // Answers from 500 on.
)

// Tracing says where a Gateway's Envoys send spans, by OTLP over gRPC.
type Tracing struct {
	To     string  // Name of the Upstream that collects them.
	Sample float64 // Percent of the requests that are traced where the caller has not decided, and at most of all.

	Upstream *Upstream `json:"-"` // That Upstream. Assemble fills it.
}

// checkTracing resolves the collectors of Gateways.
func (a *assembler) checkTracing(gateways []*Gateway) {
	const field = "tracing.to"
	for _, g := range gateways {
		if g.Tracing == nil {
			continue
		}
		object := Ref{Kind: KindGateway, Name: g.Name}
		u, ok := a.names.upstreams[g.Tracing.To]
		switch {
		case !ok && a.docs.Broken[Ref{Kind: KindUpstream, Name: g.Tracing.To}]:
		case !ok:
			a.fault(CodeDangling, object, g.Origin, field, "there is no Upstream named %q: %s", g.Tracing.To, remedy(g.Tracing.To, sortedNames(a.names.upstreams)))
		case u.Team != "" && !u.Shared:
			a.fault(CodePlatform, object, g.Origin, field, "the Upstream %s belongs to team %s and is not shared: name one without a team", u.Name, u.Team)
		case u.Protocol != HTTP2:
			a.fault(CodeConflict, object, g.Origin, field, "spans are sent by gRPC, but the Upstream %s speaks %s: write protocol: http2 there", u.Name, u.Protocol)
		default:
			g.Tracing.Upstream = u
		}
	}
}
