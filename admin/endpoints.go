package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Endpoints knows the endpoints of every Upstream, and changes those that are pushed.
type Endpoints interface {
	// Endpoints returns the endpoints of every Upstream, sorted by name.
	Endpoints() []EndpointSet
	// ChangeEndpoints changes those of one Upstream and returns them. Its errors wrap ErrUnknown, ErrConflict, ErrRefused or
	// ErrUnable where one of these is the reason.
	ChangeEndpoints(ctx context.Context, upstream string, c EndpointChange) (EndpointSet, error)
}

// Reasons why something is not done as asked.
var (
	ErrUnknown  = errors.New("unknown")
	ErrConflict = errors.New("changed meanwhile")
	ErrRefused  = errors.New("refused")
	ErrUnable   = errors.New("not possible now")
)

// EndpointSet is the endpoints of one Upstream.
type EndpointSet struct {
	Upstream  string     `json:"upstream"`
	Source    string     `json:"source" enum:"list,dns,srv,file,pushed" doc:"Where they come from"`
	Endpoints []Endpoint `json:"endpoints" nullable:"false"`
	Version   int64      `json:"version" doc:"Of what is pushed; of other sources, how often they changed"`
	Since     time.Time  `json:"since,omitzero" doc:"When they became so; absent where they are written out"`
	Author    string     `json:"author,omitempty" doc:"Who pushed them"`
	Held      time.Time  `json:"held,omitzero" doc:"Since when an empty answer is held back"`
	Failure   string     `json:"failure,omitempty" doc:"Why the last answer could not be had"`
}

// Endpoint is one address of an Upstream.
type Endpoint struct {
	Address string `json:"address" example:"10.0.0.1:9001"`
	Weight  int    `json:"weight,omitempty" default:"1" minimum:"1" maximum:"1000000"`

	Priority int    `json:"priority,omitempty" minimum:"0" maximum:"127" doc:"0 comes first; a higher one is used as far as those before are not healthy"`
	Zone     string `json:"zone,omitempty" maxLength:"128" doc:"Where it runs"`
}

// EndpointChange is a change of an Upstream's endpoints: all of them are replaced by Set, or some added and removed.
type EndpointChange struct {
	All     bool       `json:"all,omitempty" doc:"Replace all endpoints by set"`
	Set     []Endpoint `json:"set,omitempty" maxItems:"4096"`
	Add     []Endpoint `json:"add,omitempty" maxItems:"4096" doc:"Added, or given another weight"`
	Remove  []string   `json:"remove,omitempty" maxItems:"4096" doc:"Addresses"`
	Version int64      `json:"version,omitempty" minimum:"0" doc:"Only if they have this version; 0: any"`
	Force   bool       `json:"force,omitempty" doc:"An empty set is meant"`
	Author  string     `json:"author,omitempty" maxLength:"128" doc:"Who asked the caller for it; told beside the caller's own name"`
}

// describeEndpoints registers the operations about endpoints.
func (o *Options) describeEndpoints(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "listEndpoints", Method: http.MethodGet, Path: "/v1/endpoints",
		Summary: "The endpoints of every Upstream, where they come from, and what is held back",
	}, o.listEndpoints)
	huma.Register(api, huma.Operation{
		OperationID: "getEndpoints", Method: http.MethodGet, Path: "/v1/endpoints/{upstream}",
		Summary: "The endpoints of one Upstream",
		Errors:  []int{http.StatusNotFound},
	}, o.getEndpoints)
	huma.Register(api, huma.Operation{
		OperationID: "changeEndpoints", Method: http.MethodPost, Path: "/v1/endpoints/{upstream}",
		Summary: "Change the endpoints of an Upstream that says endpoints: pushed, or force an empty answer",
		Errors:  []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}, o.changeEndpoints)
}

// endpointsAnswer is a list of sets.
type endpointsAnswer struct {
	NextPage
	Body struct {
		Upstreams []EndpointSet `json:"upstreams" nullable:"false"`
		Next      string        `json:"next,omitempty" doc:"Cursor of the next page"`
	}
}

func (o *Options) listEndpoints(_ context.Context, q *PageQuery) (answer *endpointsAnswer, err error) {
	answer = &endpointsAnswer{}
	answer.Body.Upstreams, answer.Body.Next, err = page(*q, o.Endpoints.Endpoints(), func(s EndpointSet) string { return s.Upstream })
	answer.NextPage = q.link(answer.Body.Next)
	return answer, err
}

// endpointsPath names an Upstream.
type endpointsPath struct {
	Upstream string `path:"upstream" maxLength:"128"`
}

func (o *Options) getEndpoints(_ context.Context, in *endpointsPath) (*endpointsChanged, error) {
	for _, set := range o.Endpoints.Endpoints() {
		if set.Upstream == in.Upstream {
			return &endpointsChanged{Body: set}, nil
		}
	}
	return nil, huma.Error404NotFound(fmt.Sprintf("there is no Upstream %s in the configuration in use", in.Upstream))
}

// endpointsChange is a change as it travels.
type endpointsChange struct {
	Upstream string `path:"upstream" maxLength:"128"`
	Body     EndpointChange
}

// endpointsChanged is what came of it.
type endpointsChanged struct{ Body EndpointSet }

func (o *Options) changeEndpoints(ctx context.Context, in *endpointsChange) (*endpointsChanged, error) {
	var known EndpointSet
	if seen(ctx, &known); in.Body.Version == 0 {
		in.Body.Version = known.Version
	}
	if said := in.Body.Author; said != "" { // What a request says of itself is told, and told apart.
		in.Body.Author = fmt.Sprintf("%s (%s)", CallerOf(ctx).Name, said)
	} else {
		in.Body.Author = CallerOf(ctx).Name
	}
	set, err := o.Endpoints.ChangeEndpoints(ctx, in.Upstream, in.Body)
	if err != nil {
		return nil, changeProblem(err)
	}
	note(ctx).changed(versionOf(known), versionOf(set), fmt.Sprintf("%d endpoints", len(set.Endpoints)))
	if o.Events != nil {
		o.Events.Publish(Event{Kind: EventEndpoints, Upstream: in.Upstream})
	}
	return &endpointsChanged{Body: set}, nil
}

// versionOf is the version of a set for the audit; nothing where it was not looked at.
func versionOf(s EndpointSet) string {
	if s.Version == 0 {
		return ""
	}
	return fmt.Sprint("version ", s.Version)
}

// Endpoints returns the endpoints of every Upstream.
func (c *Client) Endpoints(ctx context.Context) ([]EndpointSet, error) {
	return pages(ctx, c, "/v1/endpoints", nil, func(p *struct {
		Upstreams []EndpointSet `json:"upstreams"`
		Next      string        `json:"next"`
	},
	) ([]EndpointSet, string) {
		return p.Upstreams, p.Next
	})
}

// ChangeEndpoints changes the endpoints of one Upstream and returns what they are now.
func (c *Client) ChangeEndpoints(ctx context.Context, upstream string, change EndpointChange) (EndpointSet, error) {
	var answer EndpointSet
	if err := c.post(ctx, "/v1/endpoints/"+url.PathEscape(upstream), change, &answer); err != nil {
		return EndpointSet{}, fmt.Errorf("endpoints of %s: %w", upstream, err)
	}
	return answer, nil
}
