package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/gatehouse/gatehouse/gateway"
)

// routes returns everything that is served, and describes the JSON part of it in /openapi.json.
func (o *Options) routes() (http.Handler, error) {
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Gatehouse management API", o.Version)
	// No links to schemas in the answers, no page that loads scripts from foreign hosts, and the document written once below.
	config.CreateHooks, config.DocsPath, config.SchemasPath, config.OpenAPIPath = nil, "", "", ""
	config.RejectUnknownQueryParameters = true // A misspelt filter would select everything.
	api := humago.New(mux, config)
	o.describe(api)
	complete(api.OpenAPI())
	document, err := json.Marshal(api.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("describe the management API: %w", err)
	}
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		write(w, "application/openapi+json", http.StatusOK, document)
	})
	mux.HandleFunc("GET /healthz", alive)
	mux.HandleFunc("GET /readyz", o.ready)
	mux.Handle("GET /metrics", o.Metrics)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return &door{options: o, mux: mux, operations: operations(api.OpenAPI()), hosts: o.Hosts, strangers: newAllowance(), underway: underway{of: map[string]*turns{}}}, nil
}

// describe registers the operations that speak JSON.
func (o *Options) describe(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "listNodes", Method: http.MethodGet, Path: "/v1/nodes",
		Summary: "Every Envoy that is known, what it has acknowledged and what it has refused",
	}, o.listNodes)
	huma.Register(api, huma.Operation{
		OperationID: "getNode", Method: http.MethodGet, Path: "/v1/nodes/{fleet}/{node}",
		Summary: "One Envoy, with every resource that it should have or has",
		Errors:  []int{http.StatusNotFound},
	}, o.getNode)
	huma.Register(api, huma.Operation{
		OperationID: "retryNode", Method: http.MethodPost, Path: "/v1/nodes/{fleet}/{node}/retry",
		Summary: "Send an Envoy once more what it refused",
		Errors:  []int{http.StatusConflict}, DefaultStatus: http.StatusNoContent,
	}, o.retryNode)
	huma.Register(api, huma.Operation{
		OperationID: "getRevision", Method: http.MethodGet, Path: "/v1/revision",
		Summary: "The configuration in use, and what the last load of the documents found",
	}, o.getRevision)
	huma.Register(api, huma.Operation{
		OperationID: "explain", Method: http.MethodGet, Path: "/v1/explain",
		Summary: "Which way a request takes, and why",
		Errors:  []int{http.StatusBadRequest, http.StatusServiceUnavailable},
	}, o.explain)
	o.describeEndpoints(api)
	o.describeJoining(api)
	o.describeExport(api)
	o.describeRollouts(api)
	o.describeChanges(api)
	o.describeAccess(api)
	o.describeApplications(api)
	o.describeKeys(api)
	o.describeAudit(api)
	o.describeEvents(api)
	o.describeReplicas(api)
	o.describeCertificates(api)
	o.describeUsage(api)
	o.describeDecisions(api)
	o.describeLimits(api)
}

// nodesQuery selects nodes.
type nodesQuery struct {
	PageQuery
	Fleet string `query:"fleet" doc:"Only nodes of this fleet"`
}

// nodesAnswer is a list of nodes.
type nodesAnswer struct {
	NextPage
	Body struct {
		Nodes []Node `json:"nodes" nullable:"false"`
		Next  string `json:"next,omitempty" doc:"Cursor of the next page"`
	}
}

func (o *Options) listNodes(_ context.Context, q *nodesQuery) (answer *nodesAnswer, err error) {
	nodes := slices.DeleteFunc(slices.Clone(o.Nodes.Nodes()), func(n Node) bool {
		return q.Fleet != "" && n.Fleet != q.Fleet
	})
	answer = &nodesAnswer{}
	answer.Body.Nodes, answer.Body.Next, err = page(q.PageQuery, nodes, func(n Node) string { return n.Fleet + "\x00" + n.Name })
	answer.NextPage = q.link(answer.Body.Next, "fleet", q.Fleet)
	return answer, err
}

// nodePath names a node.
type nodePath struct {
	Fleet string `path:"fleet"`
	Node  string `path:"node"`
}

// nodeAnswer is one node.
type nodeAnswer struct{ Body NodeDetail }

func (o *Options) getNode(_ context.Context, in *nodePath) (*nodeAnswer, error) {
	for _, n := range o.Nodes.Nodes() {
		if n.Fleet == in.Fleet && n.Name == in.Node {
			resources := o.Nodes.Resources(n.Fleet, n.Name)
			return &nodeAnswer{NodeDetail{Node: n, Resources: append([]Resource{}, resources...)}}, nil
		}
	}
	return nil, huma.Error404NotFound(fmt.Sprintf("no node %s of fleet %s is known", in.Node, in.Fleet))
}

func (o *Options) retryNode(_ context.Context, in *nodePath) (*struct{}, error) {
	if !o.Nodes.Retry(in.Fleet, in.Node) {
		return nil, huma.Error409Conflict(fmt.Sprintf("the node %s of fleet %s is not connected: it is sent all that it lacks when it comes", in.Node, in.Fleet))
	}
	return &struct{}{}, nil
}

// revisionAnswer is a revision.
type revisionAnswer struct{ Body Revision }

func (o *Options) getRevision(context.Context, *struct{}) (*revisionAnswer, error) {
	return &revisionAnswer{Body: o.Revisions.Revision()}, nil
}

// explainQuery is the request to explain, as it travels.
type explainQuery struct {
	Method string   `query:"method" default:"GET"`
	URL    string   `query:"url" required:"true" minLength:"1" doc:"Absolute, or a path" example:"http://127.0.0.1:8080/payments/alice"`
	Header []string `query:"header,explode" doc:"A header as name:value; may be repeated"`
	Fleet  string   `query:"fleet" doc:"Only this fleet; default the first that serves the request"`
}

// explainAnswer is the way of a request.
type explainAnswer struct{ Body Answer }

func (o *Options) explain(_ context.Context, in *explainQuery) (*explainAnswer, error) {
	headers := http.Header{}
	for _, h := range in.Header {
		name, value, ok := strings.Cut(h, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, huma.Error400BadRequest(fmt.Sprintf("the header %q is not written as name:value", h))
		}
		headers.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	answer, err := o.Explain.Explain(Query{Method: in.Method, URL: in.URL, Headers: headers, Fleet: in.Fleet})
	switch {
	case errors.Is(err, ErrNoRevision):
		return nil, huma.Error503ServiceUnavailable(err.Error())
	case err != nil:
		return nil, huma.Error400BadRequest(err.Error())
	}
	answer.Hops = append([]gateway.Hop{}, answer.Hops...) // A list, also where there are none.
	for i, u := range answer.Upstreams {
		answer.Upstreams[i].Endpoints = append([]string{}, u.Endpoints...)
	}
	return &explainAnswer{Body: answer}, nil
}
