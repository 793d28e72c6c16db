package admin

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// KeyQuery selects API keys; an empty field selects all.
type KeyQuery struct {
	Application string
	Team        string // Of the application.
	After       string // Only greater ids.
	Limit       int
}

// KeyGrant says what a new API key is good for.
type KeyGrant struct {
	Name      string   `json:"name,omitempty" maxLength:"100" pattern:"^([A-Za-z0-9][A-Za-z0-9@._/ -]*)?$" doc:"What it is for"`
	Scopes    []string `json:"scopes,omitempty" maxItems:"100" doc:"What it may do, as operations ask for it; absent: nothing beyond what needs no scope"`
	Addresses []string `json:"addresses,omitempty" maxItems:"100" doc:"Addresses or networks of clients, such as 10.0.0.0/8, from which alone it counts; absent: everywhere"`
	Expires   string   `json:"expires,omitempty" maxLength:"32" pattern:"^([0-9]{1,6}(s|m|h))+$" doc:"After this duration, such as 2160h; absent: it does not end by itself"`
}

// KeyRotation says how an API key is replaced.
type KeyRotation struct {
	Overlap string `json:"overlap,omitempty" maxLength:"32" pattern:"^([0-9]{1,6}(s|m|h))+$" doc:"How long the old one still counts, such as 24h; absent: not at all"`
	Expires string `json:"expires,omitempty" maxLength:"32" pattern:"^([0-9]{1,6}(s|m|h))+$" doc:"When the new one ends, after this duration; absent: not by itself"`
}

// APIKey is what may be shown of an API key.
type APIKey struct {
	ID          string    `json:"id"`
	Application string    `json:"application"`
	Prefix      string    `json:"prefix" doc:"How its text begins"`
	Name        string    `json:"name,omitempty"`
	Scopes      []string  `json:"scopes" nullable:"false"`
	Addresses   []string  `json:"addresses" nullable:"false" doc:"From which alone it counts; empty: everywhere"`
	State       string    `json:"state" enum:"open,expired,revoked"`
	Author      string    `json:"author" doc:"Who made it"`
	Created     time.Time `json:"created"`
	Expires     time.Time `json:"expires,omitzero"`
	Used        time.Time `json:"used,omitzero" doc:"When it was used last, to some minutes"`
	Revoked     time.Time `json:"revoked,omitzero"`
}

// CreatedKey is a new API key with its text.
type CreatedKey struct {
	APIKey

	Text string `json:"text" doc:"What the application shows; it is shown here this once"`
}

// KeyPath names an API key. It is exported for huma, which looks into no other fields.
type KeyPath struct {
	ID string `path:"id" maxLength:"64" pattern:"^[a-z0-9-]+$"`
}

// keysQuery is a query for keys as it travels.
type keysQuery struct {
	PageQuery

	Application string `query:"application" maxLength:"64" pattern:"^[a-z0-9-]+$" doc:"Only keys of this application"`
	Team        string `query:"team" maxLength:"100" pattern:"^[A-Za-z0-9._-]+$" doc:"Only keys of applications of this team"`
}

// keysAnswer is a list of keys.
type keysAnswer struct {
	NextPage
	Body struct {
		Keys []APIKey `json:"keys" nullable:"false"`
		Next string   `json:"next,omitempty" doc:"Cursor of the next page"`
	}
}

// describeKeys registers the operations about API keys.
func (o *Options) describeKeys(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "listKeys", Method: http.MethodGet, Path: "/v1/keys", Summary: "The API keys, without their secrets, by id",
		Errors: []int{http.StatusUnprocessableEntity},
	}, o.listKeys)
	huma.Register(api, huma.Operation{
		OperationID: "getKey", Method: http.MethodGet, Path: "/v1/keys/{id}", Summary: "One API key, without its secret",
		Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(ctx context.Context, in *KeyPath) (*struct{ Body APIKey }, error) {
		found, err := o.Accounts.Key(ctx, in.ID)
		return &struct{ Body APIKey }{found}, asProblem(err)
	})
	huma.Register(api, huma.Operation{
		OperationID: "createKey", Method: http.MethodPost, Path: "/v1/applications/{id}/keys", DefaultStatus: http.StatusCreated,
		Summary: "Make an API key of an application; every replica knows it within a second",
		Errors:  []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
	}, func(ctx context.Context, in *struct {
		ApplicationPath
		Body KeyGrant
	},
	) (*struct{ Body CreatedKey }, error) {
		if err := o.mayHandle(ctx, in.ID); err != nil {
			return nil, err
		}
		return madeKey(ctx, "")(o.Accounts.CreateKey(ctx, in.ID, in.Body))
	})
	huma.Register(api, huma.Operation{
		OperationID: "rotateKey", Method: http.MethodPost, Path: "/v1/keys/{id}/rotate", DefaultStatus: http.StatusCreated,
		Summary: "Make an API key in the place of another, with the same application, scopes and addresses",
		Errors:  []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
	}, func(ctx context.Context, in *struct {
		KeyPath
		Body KeyRotation
	},
	) (*struct{ Body CreatedKey }, error) {
		if err := o.mayHandleKey(ctx, in.ID); err != nil {
			return nil, err
		}
		return madeKey(ctx, in.ID)(o.Accounts.RotateKey(ctx, in.ID, in.Body))
	})
	huma.Register(api, huma.Operation{
		OperationID: "revokeKey", Method: http.MethodPost, Path: "/v1/keys/{id}/revoke", DefaultStatus: http.StatusNoContent,
		Summary: "Make an API key worthless, on every replica within a second", Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(ctx context.Context, in *KeyPath) (*struct{}, error) {
		if err := o.mayHandleKey(ctx, in.ID); err != nil {
			return nil, err
		}
		note(ctx).changed(in.ID, "", "")
		return nil, asProblem(o.Accounts.RevokeKey(ctx, in.ID))
	})
}

// mayHandleKey asks again about a change of a key, once it is known whose application it belongs to.
func (o *Options) mayHandleKey(ctx context.Context, id string) error {
	found, err := o.Accounts.Key(ctx, id)
	if err != nil {
		return asProblem(err)
	}
	return o.mayHandle(ctx, found.Application)
}

// madeKey answers with a new key, and notes which it is, in the place of which.
func madeKey(ctx context.Context, before string) func(CreatedKey, error) (*struct{ Body CreatedKey }, error) {
	return func(c CreatedKey, err error) (*struct{ Body CreatedKey }, error) {
		if err != nil {
			return nil, asProblem(err)
		}
		until := "without end"
		if !c.Expires.IsZero() {
			until = "until " + c.Expires.Format(time.RFC3339)
		}
		note(ctx).changed(before, c.ID, fmt.Sprintf("of the application %s, %s", c.Application, until))
		return &struct{ Body CreatedKey }{c}, nil
	}
}

func (o *Options) listKeys(ctx context.Context, q *keysQuery) (*keysAnswer, error) {
	after, err := q.after()
	if err != nil {
		return nil, err
	}
	found, err := o.Accounts.Keys(ctx, KeyQuery{Application: q.Application, Team: q.Team, After: after, Limit: q.most()})
	if err != nil {
		return nil, asProblem(err)
	}
	answer := &keysAnswer{}
	answer.Body.Keys = append([]APIKey{}, found...)
	if len(found) == q.most() {
		answer.Body.Next = hex.EncodeToString([]byte(found[len(found)-1].ID))
	}
	answer.NextPage = q.link(answer.Body.Next, "application", q.Application, "team", q.Team)
	return answer, nil
}
