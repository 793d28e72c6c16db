package admin

import (
	"net/http"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// State says in one word how a node stands to what it should have.
type State string

// The states of a node.
const (
	Waiting      State = "waiting"         // Its fleet has no configuration.
	Behind       State = "behind"          // Something is on its way, or not acknowledged yet.
	Synced       State = "synced"          // It has acknowledged all.
	Refused      State = "refused"         // It has refused something that it should have.
	RefusedLocal State = "refused (local)" // It has, and others of its Envoy version accepted the same: its own trouble.
	Disconnected State = "disconnected"    // It has no stream.
)

// Node is what is known about one Envoy.
type Node struct {
	Fleet        string    `json:"fleet"`
	Name         string    `json:"name"`
	Address      string    `json:"address,omitempty" doc:"The peer's address"`
	Envoy        string    `json:"envoy,omitempty" doc:"Envoy's version, such as 1.40.0"`
	Bootstrap    string    `json:"bootstrap,omitempty" doc:"Version of the bootstrap contract"`
	Admin        string    `json:"admin,omitempty" doc:"Path of its admin socket on its own machine"`
	Warning      string    `json:"warning,omitempty" doc:"What is to be minded about it, such as an Envoy that is too old"`
	State        State     `json:"state" enum:"waiting,behind,synced,refused,refused (local),disconnected"`
	Connected    time.Time `json:"connected,omitzero" doc:"When the present or last stream began; absent where it was to another process of the daemon"`
	Disconnected time.Time `json:"disconnected,omitzero" doc:"When that stream ended; absent while it is open"`
	Revision     string    `json:"revision,omitempty" doc:"What the node should have"`
	Entry        int64     `json:"entry,omitempty" doc:"Number of its history entry (REV)"`
	Acknowledged string    `json:"acknowledged,omitempty" doc:"The last revision that it acknowledged whole on this stream"`

	AcknowledgedEntry   int64     `json:"acknowledged_entry,omitempty" doc:"Number of its history entry (REV)"`
	AcknowledgedCreated time.Time `json:"acknowledged_created,omitzero" doc:"When that entry was made"`

	Replica     string       `json:"replica,omitempty" doc:"The replica that serves it; absent where there is but one"`
	Sent        uint64       `json:"sent" doc:"Bytes of responses on this stream"`
	Types       []TypeStatus `json:"types" nullable:"false"`
	LastRefusal *Refusal     `json:"last_refusal,omitempty" doc:"The last response that it did not accept (NACK)"`
}

// TypeStatus is how a node stands to one resource type.
type TypeStatus struct {
	Type         string `json:"type" doc:"Type URL"`
	Wanted       int    `json:"wanted" doc:"Resources that the node wants"`
	Acknowledged int    `json:"acknowledged" doc:"How many of these it has acknowledged"`
	Refused      int    `json:"refused" doc:"How many were in a refused response and not accepted since"`
	Outstanding  bool   `json:"outstanding" doc:"A response waits for its answer"`
	Responses    uint64 `json:"responses" doc:"Sent on this stream"`
	Bytes        uint64 `json:"bytes" doc:"Sent on this stream"`
}

// NodeDetail is a node with every resource that it should have or has.
type NodeDetail struct {
	Node
	Resources []Resource `json:"resources" nullable:"false" doc:"In order of delivery; empty while it is not connected"`
}

// Resource is one resource of a node.
type Resource struct {
	Type    string `json:"type" doc:"Type URL"`
	Name    string `json:"name"`
	Version string `json:"version,omitempty" doc:"Content hash of what the node should have; absent where it should have none"`
	Held    string `json:"held,omitempty" doc:"What it has acknowledged; ? where it refused a response and may have either"`
	Refused bool   `json:"refused,omitempty" doc:"It has refused this version"`
	// Fingerprint is that of package envoy.
	Fingerprint string `json:"fingerprint,omitempty" doc:"Hash of a listener, route configuration or virtual host in the form in which Envoys show it"`
	Origin      string `json:"origin,omitempty" doc:"Document the resource comes from, as file:line:column"`
}

// Refusal is one response that an Envoy did not accept.
type Refusal struct {
	Type     string    `json:"type" doc:"Type URL"`
	Text     string    `json:"text" doc:"Envoy's words"`
	Time     time.Time `json:"time"`
	Suspects []Suspect `json:"suspects" nullable:"false" doc:"Resources of the response, those first that Envoy names"`
	Total    int       `json:"total" doc:"How many resources the response held"`
}

// Suspect is one resource of a refused response.
type Suspect struct {
	Name   string `json:"name"`
	Origin string `json:"origin,omitempty" doc:"Document the resource comes from, as file:line:column"`
	Named  bool   `json:"named" doc:"Envoy's words contain the name"`
}

// Revision is the configuration in use, and what the last load found.
type Revision struct {
	ID            string                 `json:"id" doc:"Content id; empty while none is in use"`
	Entry         int64                  `json:"entry,omitempty" doc:"Number of its history entry (REV)"`
	Since         time.Time              `json:"since,omitzero"`
	Substitutions []gateway.Substitution `json:"substitutions" nullable:"false" doc:"APIs served by something else than their documents say"`
	Faults        []gateway.Fault        `json:"faults" nullable:"false" doc:"What the last load of the documents found"`
}

// Query is a request to explain.
type Query struct {
	Method  string
	URL     string // Absolute, or a path.
	Headers http.Header
	Fleet   string // Empty: the first fleet that serves the request.
}

// Answer is the way of a request, in the words of the documents.
type Answer struct {
	Fleet       string              `json:"fleet,omitempty"`
	Gateway     string              `json:"gateway,omitempty"`
	Listener    string              `json:"listener,omitempty"`
	VirtualHost string              `json:"virtual_host,omitempty"`
	Route       string              `json:"route,omitempty"`
	Origin      string              `json:"origin,omitempty" doc:"Document the route comes from, as file:line:column"`
	Action      string              `json:"action"`
	Filters     []string            `json:"filters,omitempty" nullable:"false"`
	Hops        []gateway.Hop       `json:"hops" nullable:"false" doc:"Calls to Gatehouse that the request waits for"`
	Policies    []gateway.Judgement `json:"policies,omitempty" nullable:"false" doc:"Who judges each policy of the route, and why"`
	Limits      []gateway.LimitTold `json:"limits,omitempty" nullable:"false" doc:"What the limits of the route do"`
	Upstreams   []Upstream          `json:"upstreams,omitempty" nullable:"false"`
	Path        string              `json:"path,omitempty" doc:"Path that the upstream is asked for, without query"`
	Host        string              `json:"host,omitempty" doc:"Host that the upstream is asked for"`
	Location    string              `json:"location,omitempty" doc:"Where the client is sent, without query; SCHEME is that of the request"`
	Mirrors     []string            `json:"mirrors,omitempty" nullable:"false" doc:"Upstreams that get copies, with the share of the requests"`
	Split       string              `json:"split,omitempty" doc:"By what requests are shared out among the upstreams"`
	Body        string              `json:"body,omitempty" doc:"What the answer is, in words"`
	Pages       []string            `json:"pages,omitempty" nullable:"false" doc:"Statuses of Gatehouse's own answers whose bodies are custom pages"`
	Rules       string              `json:"rules,omitempty" doc:"Hash of what authorization and limits decide by"`
	Why         string              `json:"why"`
	Rejected    []Rejected          `json:"rejected,omitempty" nullable:"false" doc:"Routes considered before the one that answers"`
}

// Upstream is where a request may go.
type Upstream struct {
	Name      string   `json:"name"`
	Cluster   string   `json:"cluster"`
	Weight    int      `json:"weight"`
	Endpoints []string `json:"endpoints" nullable:"false"`
}

// Rejected is a route that does not match, and the condition that failed.
type Rejected struct {
	Route string `json:"route"`
	Why   string `json:"why"`
}
