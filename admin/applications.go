package admin

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Accounts knows who calls APIs: applications, and the API keys that they show.
type Accounts interface {
	// Applications returns some, by id.
	Applications(ctx context.Context, q ApplicationQuery) ([]Application, error)
	// Application returns one, or ErrNotFound.
	Application(ctx context.Context, id string) (Application, error)
	// CreateApplication makes one. It returns ErrRefused where there is one of this id already, ended or not.
	CreateApplication(ctx context.Context, g ApplicationGrant) (Application, error)
	// SetPlan gives one a plan, "" for none. It returns ErrNotFound, and ErrUnable for one that has ended.
	SetPlan(ctx context.Context, id, plan string) (Application, error)
	// RevokeApplication ends one with its keys, or returns ErrNotFound.
	RevokeApplication(ctx context.Context, id string) error

	// Keys returns some API keys, by id.
	Keys(ctx context.Context, q KeyQuery) ([]APIKey, error)
	// Key returns one, or ErrNotFound.
	Key(ctx context.Context, id string) (APIKey, error)
	// CreateKey makes a key of an application and returns its text, which is shown this once. It returns ErrNotFound where there
	// is no such application, ErrUnable where that has ended, and ErrRefused where there can be no such key.
	CreateKey(ctx context.Context, application string, g KeyGrant) (CreatedKey, error)
	// RotateKey makes one in the place of another, which ends after a while. It returns ErrNotFound, and ErrUnable for one that has
	// ended.
	RotateKey(ctx context.Context, id string, r KeyRotation) (CreatedKey, error)
	// RevokeKey makes one worthless, or returns ErrNotFound.
	RevokeKey(ctx context.Context, id string) error
}

// ApplicationQuery selects applications; an empty field selects all.
type ApplicationQuery struct {
	Team  string
	After string // Only greater ids.
	Limit int
}

// ApplicationGrant says what a new application is.
type ApplicationGrant struct {
	ID    string `json:"id" minLength:"1" maxLength:"64" pattern:"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$" doc:"By which it is called everywhere, for ever"`
	Name  string `json:"name,omitempty" maxLength:"100" pattern:"^([A-Za-z0-9][A-Za-z0-9@._/ -]*)?$" doc:"For people; absent: the id"`
	Team  string `json:"team,omitempty" maxLength:"100" pattern:"^([A-Za-z0-9][A-Za-z0-9._-]*)?$" doc:"Whose it is; absent: the caller's"`
	Owner string `json:"owner,omitempty" maxLength:"100" pattern:"^([A-Za-z0-9][A-Za-z0-9@._/ -]*)?$" doc:"The person to ask; absent: who calls"`
	Plan  string `json:"plan,omitempty" maxLength:"64" pattern:"^([a-z0-9]([a-z0-9-]*[a-z0-9])?)?$" doc:"By which limits its keys call APIs; absent: by no plan's"`
}

// Application is who calls APIs.
type Application struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Team    string    `json:"team,omitempty"`
	Owner   string    `json:"owner"`
	Plan    string    `json:"plan,omitempty" doc:"By which limits its keys call APIs"`
	State   string    `json:"state" enum:"open,revoked"`
	Created time.Time `json:"created"`
	Revoked time.Time `json:"revoked,omitzero"`
}

// PlanChoice says which plan an application has from now on.
type PlanChoice struct {
	Plan string `json:"plan" maxLength:"64" pattern:"^([a-z0-9]([a-z0-9-]*[a-z0-9])?)?$" doc:"Its name, as documents of limits spell it; empty: none"`
}

// ApplicationPath names an application. It is exported for huma, which looks into no other fields.
type ApplicationPath struct {
	ID string `path:"id" maxLength:"64" pattern:"^[a-z0-9-]+$"`
}

// applicationsAnswer is a list of applications.
type applicationsAnswer struct {
	NextPage
	Body struct {
		Applications []Application `json:"applications" nullable:"false"`
		Next         string        `json:"next,omitempty" doc:"Cursor of the next page"`
	}
}

// applicationsQuery is a query for applications as it travels.
type applicationsQuery struct {
	PageQuery

	Team string `query:"team" maxLength:"100" pattern:"^[A-Za-z0-9._-]+$" doc:"Only applications of this team"`
}

// describeApplications registers the operations about applications.
func (o *Options) describeApplications(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "listApplications", Method: http.MethodGet, Path: "/v1/applications", Summary: "The applications that call APIs, by id",
		Errors: []int{http.StatusUnprocessableEntity},
	}, o.listApplications)
	huma.Register(api, huma.Operation{
		OperationID: "getApplication", Method: http.MethodGet, Path: "/v1/applications/{id}", Summary: "One application",
		Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(ctx context.Context, in *ApplicationPath) (*struct{ Body Application }, error) {
		found, err := o.Accounts.Application(ctx, in.ID)
		return &struct{ Body Application }{found}, asProblem(err)
	})
	huma.Register(api, huma.Operation{
		OperationID: "createApplication", Method: http.MethodPost, Path: "/v1/applications", DefaultStatus: http.StatusCreated,
		Summary: "Make an application; a member makes one of the own team", Errors: []int{http.StatusUnprocessableEntity},
	}, o.createApplication)
	huma.Register(api, huma.Operation{
		OperationID: "setPlan", Method: http.MethodPost, Path: "/v1/applications/{id}/plan",
		Summary: "Give an application a plan, or none; every replica knows it within a second",
		Errors:  []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
	}, o.setPlan)
	huma.Register(api, huma.Operation{
		OperationID: "revokeApplication", Method: http.MethodPost, Path: "/v1/applications/{id}/revoke", DefaultStatus: http.StatusNoContent,
		Summary: "End an application with all of its keys, for ever", Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(ctx context.Context, in *ApplicationPath) (*struct{}, error) {
		if err := o.mayHandle(ctx, in.ID); err != nil {
			return nil, err
		}
		note(ctx).changed(in.ID, "", "")
		return nil, asProblem(o.Accounts.RevokeApplication(ctx, in.ID))
	})
}

func (o *Options) listApplications(ctx context.Context, q *applicationsQuery) (*applicationsAnswer, error) {
	after, err := q.after()
	if err != nil {
		return nil, err
	}
	found, err := o.Accounts.Applications(ctx, ApplicationQuery{Team: q.Team, After: after, Limit: q.most()})
	if err != nil {
		return nil, asProblem(err)
	}
	answer := &applicationsAnswer{}
	answer.Body.Applications = append([]Application{}, found...)
	if len(found) == q.most() {
		answer.Body.Next = hex.EncodeToString([]byte(found[len(found)-1].ID))
	}
	answer.NextPage = q.link(answer.Body.Next, "team", q.Team)
	return answer, nil
}

func (o *Options) createApplication(ctx context.Context, in *struct{ Body ApplicationGrant }) (*struct{ Body Application }, error) {
	caller := CallerOf(ctx)
	if in.Body.Team == "" {
		in.Body.Team = caller.Team
	}
	if in.Body.Owner == "" {
		in.Body.Owner = caller.Name
	}
	if in.Body.Name == "" {
		in.Body.Name = in.Body.ID
	}
	if err := o.mayHandleOf(ctx, in.Body.Team); err != nil {
		return nil, err
	}
	if in.Body.Plan != "" {
		if err := o.askAgain(ctx, func(q *Question) { q.Operation = "setPlan" }); err != nil {
			return nil, err
		}
	}
	made, err := o.Accounts.CreateApplication(ctx, in.Body)
	if err != nil {
		return nil, asProblem(err)
	}
	note(ctx).changed("", made.ID, fmt.Sprintf("%s of the team %q", made.Name, made.Team))
	return &struct{ Body Application }{made}, nil
}

// setPlan gives an application a plan. The audit tells which it had.
func (o *Options) setPlan(ctx context.Context, in *struct {
	ApplicationPath
	Body PlanChoice
},
) (*struct{ Body Application }, error) {
	before, err := o.Accounts.Application(ctx, in.ID)
	if err != nil {
		return nil, asProblem(err)
	}
	changed, err := o.Accounts.SetPlan(ctx, in.ID, in.Body.Plan)
	if err != nil {
		return nil, asProblem(err)
	}
	note(ctx).changed(in.ID, in.ID, fmt.Sprintf("from the plan %q to %q", before.Plan, changed.Plan))
	return &struct{ Body Application }{changed}, nil
}

// mayHandle asks again about a change of an application or of its keys, once it is known whose it is. The error is a problem
// document.
func (o *Options) mayHandle(ctx context.Context, application string) error {
	found, err := o.Accounts.Application(ctx, application)
	if err != nil {
		return asProblem(err)
	}
	return o.mayHandleOf(ctx, found.Team)
}

// mayHandleOf asks again with the team that an application belongs to.
func (o *Options) mayHandleOf(ctx context.Context, team string) error {
	return o.askAgain(ctx, func(q *Question) { q.Team = &team })
}

// most is how many items the page may have.
func (q PageQuery) most() int {
	if q.Limit <= 0 {
		return pageMax
	}
	return q.Limit
}

// after is the key behind which the page begins. The error is a problem document.
func (q PageQuery) after() (string, error) {
	text, err := hex.DecodeString(q.Cursor)
	if err != nil || bytes.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", huma.Error422UnprocessableEntity("the cursor is none that a page has told")
	}
	return string(text), nil
}
