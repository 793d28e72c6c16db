package admin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"
)

// ErrNoFleet tells that there is no fleet of that name.
var ErrNoFleet = errors.New("there is no such fleet")

// Format is the form of a text.
type Format string

// The forms of an export.
const (
	YAML Format = "yaml"
	JSON Format = "json"
)

// Exporter writes what a fleet's Envoys have.
type Exporter interface {
	// Export returns a static bootstrap with which an Envoy serves without a control plane, with private keys inside or by
	// their paths. It returns ErrNoRevision and ErrNoFleet, wrapped.
	Export(fleet string, keys bool, format Format) ([]byte, error)
}

// exportQuery selects a fleet.
type exportQuery struct {
	Fleet  string `path:"fleet"`
	Keys   bool   `query:"keys" doc:"With private keys inside; refused over TCP"`
	Format string `query:"format" enum:"yaml,json" default:"yaml"`
}

// exportAnswer is a bootstrap.
type exportAnswer struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (o *Options) describeExport(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "exportFleet", Method: http.MethodGet, Path: "/v1/fleets/{fleet}/export",
		Summary: "One static bootstrap with which an Envoy of the fleet serves without a control plane",
		Errors:  []int{http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable},
		Responses: map[string]*huma.Response{"200": {
			Description: "The bootstrap",
			Content: map[string]*huma.MediaType{
				"application/yaml": {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}},
				"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}},
			},
		}},
	}, o.export)
}

func (o *Options) export(ctx context.Context, q *exportQuery) (*exportAnswer, error) {
	if q.Keys && !throughSocket(ctx) {
		return nil, huma.Error403Forbidden("private keys leave only through the Unix socket: ask there, or without keys")
	}
	body, err := o.Export.Export(q.Fleet, q.Keys, Format(q.Format))
	switch {
	case errors.Is(err, ErrNoRevision):
		return nil, huma.Error503ServiceUnavailable(err.Error())
	case errors.Is(err, ErrNoFleet):
		return nil, huma.Error404NotFound(err.Error())
	case err != nil:
		return nil, huma.Error500InternalServerError(err.Error())
	}
	return &exportAnswer{ContentType: "application/" + q.Format, Body: body}, nil
}

// throughSocket reports whether a request came through a Unix socket.
func throughSocket(ctx context.Context) bool {
	local, ok := ctx.Value(http.LocalAddrContextKey).(net.Addr)
	return ok && local.Network() == "unix"
}

// Export returns a static bootstrap of a fleet, see Exporter.
func (c *Client) Export(ctx context.Context, fleet string, keys bool, format Format) ([]byte, error) {
	query := url.Values{"format": {string(format)}}
	if keys {
		query.Set("keys", "true")
	}
	return c.fetch(ctx, "/v1/fleets/"+url.PathEscape(fleet)+"/export", query)
}
