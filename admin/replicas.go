package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Replicas knows the daemons that share a store.
type Replicas interface {
	// Replicas returns those that are alive, the one that is asked first; none where the store can have but one.
	Replicas(ctx context.Context) ([]Replica, error)
}

// Replica is one of several daemons that share a store.
type Replica struct {
	ID        string            `json:"id" doc:"Its name"`
	Self      bool              `json:"self,omitempty" doc:"It is the one that answers"`
	Version   string            `json:"version" doc:"Of Gatehouse"`
	Leads     bool              `json:"leads,omitempty" doc:"It moves rollouts, watches the directory and fetches"`
	Entry     int64             `json:"entry,omitempty" doc:"Number of the history entry (REV) that it serves"`
	Nodes     int               `json:"nodes" doc:"How many Envoys are connected to it"`
	Addresses map[string]string `json:"addresses" doc:"Where it is reached: nodes, join"`
	Started   time.Time         `json:"started,omitzero" doc:"When it gave its first sign of life"`
	Seen      time.Time         `json:"seen,omitzero" doc:"When it gave its last"`
}

// replicasAnswer is a list of replicas.
type replicasAnswer struct {
	Body struct {
		Replicas []Replica `json:"replicas" nullable:"false"`
	}
}

func (o *Options) describeReplicas(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "listReplicas", Method: http.MethodGet, Path: "/v1/replicas",
		Summary: "The daemons that share the store and are alive; none where the store can have but one",
	}, o.listReplicas)
}

func (o *Options) listReplicas(ctx context.Context, _ *struct{}) (*replicasAnswer, error) {
	answer := &replicasAnswer{}
	all, err := o.Replicas.Replicas(ctx)
	if err != nil {
		return nil, err
	}
	answer.Body.Replicas = append([]Replica{}, all...)
	return answer, nil
}

// Replicas returns the daemons that share the store and are alive, the one that is asked first.
func (c *Client) Replicas(ctx context.Context) ([]Replica, error) {
	var answer struct {
		Replicas []Replica `json:"replicas"`
	}
	err := c.get(ctx, "/v1/replicas", nil, &answer)
	return answer.Replicas, err
}
