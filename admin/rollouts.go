package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// ErrNotFound tells that what was asked for is not there.
var ErrNotFound = errors.New("not found")

// Rollouts knows which configuration is on its way to which Envoys, and takes orders about it.
type Rollouts interface {
	// Rollouts returns the state of every fleet, and what waits to be confirmed.
	Rollouts(ctx context.Context) (Deliveries, error)
	// Order pauses, resumes or aborts the rollout of a fleet, or of all where it is "". It returns ErrUnable where that is
	// not possible.
	Order(ctx context.Context, order Order, fleet string) error
	// Confirm begins the rollout of a held entry. It returns ErrNotFound or ErrUnable.
	Confirm(ctx context.Context, entry int64) error
}

// Order is what can be done with a rollout.
type Order string

// The orders.
const (
	Pause  Order = "pause"
	Resume Order = "resume"
	Abort  Order = "abort"
)

// Deliveries are what is on its way, and what waits to be.
type Deliveries struct {
	Rollouts []Rollout `json:"rollouts" nullable:"false" doc:"The present or last rollout of each fleet"`
	Held     []Held    `json:"held" nullable:"false" doc:"Entries that wait to be confirmed"`
}

// Rollout is the way of a history entry through a fleet, the present one or the last.
type Rollout struct {
	Fleet    string          `json:"fleet"`
	Entry    int64           `json:"entry" doc:"Number of the history entry (REV)"`
	Revision string          `json:"revision" doc:"Its content id"`
	From     int64           `json:"from,omitempty" doc:"The entry that the fleet had before"`
	Phase    string          `json:"phase" enum:"rolling,paused,live,refused,aborted,superseded"`
	Wave     int             `json:"wave" doc:"The present wave, from 1"`
	Waves    int             `json:"waves"`
	Nodes    []RolloutMember `json:"nodes" nullable:"false" doc:"Those that have the entry, in the present wave or before; without those that came in the last wave"`
	Known    int             `json:"known" doc:"How many nodes of the fleet are known"`
	Default  int64           `json:"default,omitempty" doc:"The entry that all other nodes have, new ones included"`
	Waiting  *Reason         `json:"waiting,omitempty" doc:"What the present wave waits for"`
	Reason   *Reason         `json:"reason,omitempty" doc:"Why it is paused, or ended other than live"`
	Began    time.Time       `json:"began"`
	Ended    time.Time       `json:"ended,omitzero"`
}

// RolloutMember is a node that has the entry.
type RolloutMember struct {
	Name         string `json:"name"`
	Wave         int    `json:"wave" doc:"From 1"`
	Acknowledged bool   `json:"acknowledged"`
	Refused      bool   `json:"refused_local,omitempty" doc:"It refuses what other nodes of its Envoy version accept"`
}

// Reason says why, by a code that does not change and words for people.
type Reason struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// Held is an entry that waits to be confirmed.
type Held struct {
	Entry   int64     `json:"entry"`
	Created time.Time `json:"created"`
	Reason  string    `json:"reason"`
}

// describeRollouts registers the operations about rollouts.
func (o *Options) describeRollouts(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "listRollouts", Method: http.MethodGet, Path: "/v1/rollouts",
		Summary: "The present or last rollout of each fleet, and what waits to be confirmed",
	}, o.listRollouts)
	huma.Register(api, huma.Operation{
		OperationID: "orderRollout", Method: http.MethodPost, Path: "/v1/rollouts/{order}",
		Summary: "Pause, resume or abort rollouts", DefaultStatus: http.StatusNoContent,
		Errors: []int{http.StatusConflict},
	}, o.orderRollout)
	huma.Register(api, huma.Operation{
		OperationID: "confirmEntry", Method: http.MethodPost, Path: "/v1/history/{entry}/confirm",
		Summary: "Begin the rollout of an entry that is held", DefaultStatus: http.StatusNoContent,
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, o.confirm)
}

// deliveriesAnswer is what is on its way.
type deliveriesAnswer struct{ Body Deliveries }

func (o *Options) listRollouts(ctx context.Context, _ *struct{}) (*deliveriesAnswer, error) {
	found, err := o.Rollouts.Rollouts(ctx)
	if err != nil {
		return nil, asProblem(err)
	}
	return &deliveriesAnswer{Body: found}, nil
}

// orderPath is an order about rollouts, as it travels.
type orderPath struct {
	Order Order  `path:"order" enum:"pause,resume,abort"`
	Fleet string `query:"fleet" doc:"Only this fleet; default all"`
}

func (o *Options) orderRollout(ctx context.Context, in *orderPath) (*struct{}, error) {
	note(ctx).changed("", string(in.Order), "fleet: "+cmp.Or(in.Fleet, "all"))
	return nil, asProblem(o.Rollouts.Order(ctx, in.Order, in.Fleet))
}

// entryPath names an entry.
type entryPath struct {
	Entry int64 `path:"entry" minimum:"1"`
}

func (o *Options) confirm(ctx context.Context, in *entryPath) (*struct{}, error) {
	note(ctx).changed("", fmt.Sprint("entry ", in.Entry), "")
	return nil, asProblem(o.Rollouts.Confirm(ctx, in.Entry))
}

// Rollouts returns the state of every fleet, and what waits to be confirmed.
func (c *Client) Rollouts(ctx context.Context) (Deliveries, error) {
	var answer Deliveries
	err := c.get(ctx, "/v1/rollouts", nil, &answer)
	return answer, err
}

// Order pauses, resumes or aborts the rollout of a fleet, or of all where it is "".
func (c *Client) Order(ctx context.Context, order Order, fleet string) error {
	query := url.Values{}
	if fleet != "" {
		query.Set("fleet", fleet)
	}
	return c.ask(ctx, http.MethodPost, "/v1/rollouts/"+string(order), query, nil)
}

// Confirm begins the rollout of a held entry.
func (c *Client) Confirm(ctx context.Context, entry int64) error {
	return c.ask(ctx, http.MethodPost, "/v1/history/"+strconv.FormatInt(entry, 10)+"/confirm", nil, nil)
}
