package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Tokens knows by what nodes of other hosts join.
type Tokens interface {
	// CreateToken makes a token and returns its text, which is shown this once.
	CreateToken(ctx context.Context, g Grant) (CreatedToken, error)
	// Tokens returns all tokens, those made last first.
	Tokens(ctx context.Context) ([]Token, error)
	// RevokeToken makes a token worthless.
	RevokeToken(ctx context.Context, id string) error
}

// Authority knows the roots by which nodes of other hosts and Gatehouse trust each other.
type Authority interface {
	// Roots returns the roots that are trusted, the oldest first.
	Roots(ctx context.Context) ([]Root, error)
	// RotateRoot makes the next root, or lets the one that is next sign, and returns the roots after.
	RotateRoot(ctx context.Context) ([]Root, error)
}

// Errors of Tokens and Authority that the API tells apart.
var (
	// ErrNoJoining tells that the daemon was started without a door at which nodes join.
	ErrNoJoining = errors.New("nodes of other hosts cannot join this daemon: start \"gatehouse serve\" with --join-address and --nodes-address")
	// ErrNoToken tells that there is no token of that id.
	ErrNoToken = errors.New("there is no such token: \"gatehouse nodes token list\" shows those there are")
	// ErrGrant tells that there can be no such token.
	ErrGrant = errors.New("no such token can be made")
	// ErrOwnAuthority tells that the authority's roots are not Gatehouse's to change.
	ErrOwnAuthority = errors.New("the authority is your own")
)

// Grant says what a new token is good for.
type Grant struct {
	Fleet   string `json:"fleet" minLength:"1" maxLength:"128" doc:"The fleet that nodes join by it"`
	Node    string `json:"node,omitempty" maxLength:"128" doc:"The only node that may; absent: any"`
	Uses    int    `json:"uses,omitempty" minimum:"0" maximum:"10000" doc:"How many nodes may join by it; absent: 1"`
	Expires string `json:"expires,omitempty" doc:"After this duration, such as 1h; absent: 1h"`
}

// Token is what may be shown of a token.
type Token struct {
	ID      string    `json:"id"`
	Fleet   string    `json:"fleet"`
	Node    string    `json:"node,omitempty" doc:"The only node that may join by it; absent: any"`
	State   string    `json:"state" enum:"open,spent,expired,revoked"`
	Uses    int       `json:"uses" doc:"How many are left"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Used    time.Time `json:"used,omitzero" doc:"When a node joined by it last"`
	Revoked time.Time `json:"revoked,omitzero"`
}

// CreatedToken is a new token with its text.
type CreatedToken struct {
	Token

	Text string `json:"text" doc:"The secret that a node joins by; it is shown this once"`
}

// Root is what may be shown of a root of the authority.
type Root struct {
	ID      string    `json:"id" doc:"From the SHA-256 of its public key"`
	State   string    `json:"state,omitempty" enum:"next,active,retired" doc:"Absent for an authority of one's own"`
	Changed time.Time `json:"changed,omitzero" doc:"When it came into its state"`
	Expires time.Time `json:"expires"`
}

// describeJoining registers the operations about tokens and roots.
func (o *Options) describeJoining(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "createToken", Method: http.MethodPost, Path: "/v1/tokens", DefaultStatus: http.StatusCreated,
		Summary: "Make a token by which nodes of other hosts join a fleet",
		Errors:  []int{http.StatusConflict, http.StatusUnprocessableEntity},
	}, func(ctx context.Context, in *struct{ Body Grant }) (*struct{ Body CreatedToken }, error) {
		made, err := o.Tokens.CreateToken(ctx, in.Body)
		note(ctx).changed("", made.ID, fmt.Sprintf("fleet %s %s", in.Body.Fleet, in.Body.Node))
		return &struct{ Body CreatedToken }{made}, asProblem(err)
	})
	huma.Register(api, huma.Operation{
		OperationID: "listTokens", Method: http.MethodGet, Path: "/v1/tokens", Summary: "Every token, without its secret",
		Errors: []int{http.StatusConflict},
	}, o.listTokens)
	huma.Register(api, huma.Operation{
		OperationID: "getToken", Method: http.MethodGet, Path: "/v1/tokens/{id}", Summary: "One token, without its secret",
		Errors: []int{http.StatusConflict, http.StatusNotFound},
	}, o.getToken)
	huma.Register(api, huma.Operation{
		OperationID: "revokeToken", Method: http.MethodPost, Path: "/v1/tokens/{id}/revoke", Summary: "Make a token worthless; who joined by it stays",
		Errors: []int{http.StatusConflict, http.StatusNotFound},
	}, func(ctx context.Context, in *struct {
		ID string `path:"id"`
	},
	) (*struct{}, error) {
		note(ctx).changed(in.ID, "", "")
		return nil, asProblem(o.Tokens.RevokeToken(ctx, in.ID))
	})
	huma.Register(api, huma.Operation{
		OperationID: "listRoots", Method: http.MethodGet, Path: "/v1/roots", Summary: "The roots by which nodes and Gatehouse trust each other",
		Errors: []int{http.StatusConflict},
	}, func(ctx context.Context, _ *struct{}) (*rootsAnswer, error) { return rootsOf(o.Authority.Roots(ctx)) })
	huma.Register(api, huma.Operation{
		OperationID: "rotateRoot", Method: http.MethodPost, Path: "/v1/roots/rotate",
		Summary: "Make the next root; where there is one, let it sign",
		Errors:  []int{http.StatusConflict},
	}, func(ctx context.Context, _ *struct{}) (*rootsAnswer, error) {
		return rootsOf(o.Authority.RotateRoot(ctx))
	})
}

// tokensAnswer is a list of tokens.
type tokensAnswer struct {
	NextPage
	Body struct {
		Tokens []Token `json:"tokens" nullable:"false"`
		Next   string  `json:"next,omitempty" doc:"Cursor of the next page"`
	}
}

func (o *Options) listTokens(ctx context.Context, q *PageQuery) (*tokensAnswer, error) {
	tokens, err := o.Tokens.Tokens(ctx)
	if err != nil {
		return nil, asProblem(err)
	}
	answer := &tokensAnswer{}
	answer.Body.Tokens, answer.Body.Next, err = page(*q, tokens, func(t Token) string { return newestFirst(t.Created, t.ID) })
	answer.NextPage = q.link(answer.Body.Next)
	return answer, err
}

func (o *Options) getToken(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"64"`
},
) (*struct{ Body Token }, error) {
	tokens, err := o.Tokens.Tokens(ctx)
	if err != nil {
		return nil, asProblem(err)
	}
	for _, t := range tokens {
		if t.ID == in.ID {
			return &struct{ Body Token }{t}, nil
		}
	}
	return nil, asProblem(ErrNoToken)
}

// rootsAnswer is a list of roots, of which there are a few.
type rootsAnswer struct {
	Body struct {
		Roots []Root `json:"roots" nullable:"false"`
	}
}

func rootsOf(roots []Root, err error) (*rootsAnswer, error) {
	answer := &rootsAnswer{}
	answer.Body.Roots = append([]Root{}, roots...)
	return answer, asProblem(err)
}
