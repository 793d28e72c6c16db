package admin

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Access knows the access tokens by which callers prove over TCP who they are.
type Access interface {
	// CreateAccess makes an access token and returns its text, which is shown this once. It returns ErrRefused where there can be
	// no such token.
	CreateAccess(ctx context.Context, g AccessGrant) (CreatedAccess, error)
	// AccessTokens returns all of them, those made last first.
	AccessTokens(ctx context.Context) ([]AccessToken, error)
	// AccessToken returns one, or ErrNotFound.
	AccessToken(ctx context.Context, id string) (AccessToken, error)
	// RotateAccess makes one in the place of another, which ends after a while. It returns ErrNotFound, and ErrUnable for one that
	// has ended.
	RotateAccess(ctx context.Context, id string, r AccessRotation) (CreatedAccess, error)
	// RevokeAccess makes one worthless, or returns ErrNotFound.
	RevokeAccess(ctx context.Context, id string) error
}

// AccessGrant says what a new access token is good for.
type AccessGrant struct {
	Name     string `json:"name" minLength:"1" maxLength:"100" pattern:"^[A-Za-z0-9][A-Za-z0-9@._/ -]*$" doc:"Whom or what it is for; shown in the history and in the audit"`
	Role     Role   `json:"role" enum:"viewer,member,operator,admin"`
	Team     string `json:"team,omitempty" maxLength:"100" doc:"Of a member"`
	ReadOnly bool   `json:"read_only,omitempty" doc:"It changes nothing, whatever the role"`
	Source   string `json:"source,omitempty" maxLength:"100" doc:"The only source that it changes"`
	Expires  string `json:"expires,omitempty" maxLength:"32" pattern:"^([0-9]{1,6}(s|m|h))+$" doc:"After this duration, such as 720h; absent: 90 days; at most a year"`
}

// AccessRotation says how an access token is replaced.
type AccessRotation struct {
	Overlap string `json:"overlap,omitempty" maxLength:"32" pattern:"^([0-9]{1,6}(s|m|h))+$" doc:"How long the old one is still good, such as 24h; absent: not at all"`
	Expires string `json:"expires,omitempty" maxLength:"32" pattern:"^([0-9]{1,6}(s|m|h))+$" doc:"When the new one ends, after this duration; absent: 90 days"`
}

// AccessToken is what may be shown of an access token.
type AccessToken struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Role     Role      `json:"role" enum:"viewer,member,operator,admin"`
	Team     string    `json:"team,omitempty"`
	ReadOnly bool      `json:"read_only,omitempty"`
	Source   string    `json:"source,omitempty" doc:"The only source that it changes"`
	State    string    `json:"state" enum:"open,expired,revoked"`
	Author   string    `json:"author" doc:"Who made it"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires"`
	Used     time.Time `json:"used,omitzero" doc:"When it was used last, to some minutes"`
	Revoked  time.Time `json:"revoked,omitzero"`
}

// CreatedAccess is a new access token with its text.
type CreatedAccess struct {
	AccessToken

	Text string `json:"text" doc:"The secret, to be sent as authorization: Bearer TEXT; it is shown this once"`
}

// CallerInfo is who calls, as the daemon sees it.
type CallerInfo struct {
	Name     string    `json:"name"`
	Role     Role      `json:"role" enum:"viewer,member,operator,admin"`
	Team     string    `json:"team,omitempty"`
	From     string    `json:"from" doc:"The peer's address, or socket"`
	ReadOnly bool      `json:"read_only,omitempty"`
	Source   string    `json:"source,omitempty" doc:"The only source that may be changed"`
	Expires  time.Time `json:"expires,omitzero" doc:"When the proof of it ends"`
}

// AccessPath names an access token.
type AccessPath struct {
	ID string `path:"id" maxLength:"64"`
}

// accessAnswer is a list of access tokens.
type accessAnswer struct {
	NextPage
	Body struct {
		Tokens []AccessToken `json:"tokens" nullable:"false"`
		Next   string        `json:"next,omitempty" doc:"Cursor of the next page"`
	}
}

// describeAccess registers the operations about access tokens.
func (o *Options) describeAccess(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "getCaller", Method: http.MethodGet, Path: "/v1/caller", Summary: "Who calls, and with which role",
	}, func(ctx context.Context, _ *struct{}) (*struct{ Body CallerInfo }, error) {
		c := CallerOf(ctx)
		return &struct{ Body CallerInfo }{CallerInfo{c.Name, c.Role, c.Team, c.From, c.ReadOnly, c.Source, c.Expires}}, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "listAccess", Method: http.MethodGet, Path: "/v1/access", Summary: "Every access token, without its secret",
	}, o.listAccess)
	huma.Register(api, huma.Operation{
		OperationID: "getAccess", Method: http.MethodGet, Path: "/v1/access/{id}", Summary: "One access token, without its secret",
		Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, in *AccessPath) (*struct{ Body AccessToken }, error) {
		found, err := o.Access.AccessToken(ctx, in.ID)
		return &struct{ Body AccessToken }{found}, asProblem(err)
	})
	huma.Register(api, huma.Operation{
		OperationID: "createAccess", Method: http.MethodPost, Path: "/v1/access", DefaultStatus: http.StatusCreated,
		Summary: "Make an access token",
	}, func(ctx context.Context, in *struct{ Body AccessGrant }) (*struct{ Body CreatedAccess }, error) {
		return made(ctx, "")(o.Access.CreateAccess(ctx, in.Body))
	})
	huma.Register(api, huma.Operation{
		OperationID: "rotateAccess", Method: http.MethodPost, Path: "/v1/access/{id}/rotate", DefaultStatus: http.StatusCreated,
		Summary: "Make an access token in the place of another, with the same role and scopes",
		Errors:  []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, in *struct {
		AccessPath
		Body AccessRotation
	},
	) (*struct{ Body CreatedAccess }, error) {
		return made(ctx, in.ID)(o.Access.RotateAccess(ctx, in.ID, in.Body))
	})
	huma.Register(api, huma.Operation{
		OperationID: "revokeAccess", Method: http.MethodPost, Path: "/v1/access/{id}/revoke", DefaultStatus: http.StatusNoContent,
		Summary: "Make an access token worthless, at once",
		Errors:  []int{http.StatusNotFound},
	}, func(ctx context.Context, in *AccessPath) (*struct{}, error) {
		note(ctx).changed(in.ID, "", "")
		return nil, asProblem(o.Access.RevokeAccess(ctx, in.ID))
	})
}

// made answers with a new access token, and notes which it is, in the place of which.
func made(ctx context.Context, before string) func(CreatedAccess, error) (*struct{ Body CreatedAccess }, error) {
	return func(c CreatedAccess, err error) (*struct{ Body CreatedAccess }, error) {
		if err != nil {
			return nil, asProblem(err)
		}
		note(ctx).changed(before, c.ID, fmt.Sprintf("%s: %s %s, until %s", c.Name, c.Role, c.Team, c.Expires.Format(time.RFC3339)))
		return &struct{ Body CreatedAccess }{c}, nil
	}
}

func (o *Options) listAccess(ctx context.Context, q *PageQuery) (*accessAnswer, error) {
	tokens, err := o.Access.AccessTokens(ctx)
	if err != nil {
		return nil, asProblem(err)
	}
	answer := &accessAnswer{}
	answer.Body.Tokens, answer.Body.Next, err = page(*q, tokens, func(t AccessToken) string { return newestFirst(t.Created, t.ID) })
	answer.NextPage = q.link(answer.Body.Next)
	return answer, err
}

// newestFirst is a key by which what was made last comes first.
func newestFirst(created time.Time, id string) string {
	return fmt.Sprintf("%020d %s", math.MaxInt64-created.UnixMicro(), id)
}
