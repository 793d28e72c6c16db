package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/store"
)

// Applications returns some applications.
func (m management) Applications(ctx context.Context, q admin.ApplicationQuery) ([]admin.Application, error) {
	found, err := m.store.Accounts.Applications(ctx, store.AccountQuery{Team: q.Team, After: q.After, Most: q.Limit})
	if err != nil {
		return nil, storeAway(err)
	}
	all := make([]admin.Application, len(found))
	for i, a := range found {
		all[i] = shownApplication(a)
	}
	return all, nil
}

// Application returns one application.
func (m management) Application(ctx context.Context, id string) (admin.Application, error) {
	found, err := m.store.Accounts.Application(ctx, id)
	if err != nil {
		return admin.Application{}, applicationError(id, err)
	}
	return shownApplication(found), nil
}

// CreateApplication makes an application.
func (m management) CreateApplication(ctx context.Context, g admin.ApplicationGrant) (admin.Application, error) {
	made, err := m.store.Accounts.AddApplication(ctx, store.Application{ID: g.ID, Name: g.Name, Team: g.Team, Owner: g.Owner, Plan: g.Plan})
	if errors.Is(err, store.ErrConflict) {
		return admin.Application{}, fmt.Errorf("%w: there is an application %s already, or was: an id is used once", admin.ErrRefused, g.ID)
	}
	if err != nil {
		return admin.Application{}, storeAway(err)
	}
	return shownApplication(made), nil
}

// SetPlan gives an application a plan, "" for none: here before it returns, on other replicas within a second.
func (m management) SetPlan(ctx context.Context, id, plan string) (admin.Application, error) {
	changed, err := m.store.Accounts.SetPlan(ctx, id, plan)
	if err != nil {
		return admin.Application{}, applicationError(id, err)
	}
	m.keysChanged(ctx)
	return shownApplication(changed), nil
}

// RevokeApplication ends an application with its keys: here before it returns, on other replicas within a second.
func (m management) RevokeApplication(ctx context.Context, id string) error {
	if err := m.store.Accounts.RevokeApplication(ctx, id); err != nil {
		return applicationError(id, err)
	}
	m.keysChanged(ctx)
	return nil
}

// applicationError puts an error of the store about an application into the API's words.
func applicationError(id string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w: there is no application %s: \"gatehouse app list\" shows those there are", admin.ErrNotFound, id)
	case errors.Is(err, store.ErrRevoked):
		return fmt.Errorf("%w: application %s has ended: make another", admin.ErrUnable, id)
	}
	return storeAway(err)
}

// shownApplication returns what may be shown of an application.
func shownApplication(a store.Application) admin.Application {
	out := admin.Application{ID: a.ID, Name: a.Name, Team: a.Team, Owner: a.Owner, Plan: a.Plan, State: "open", Created: a.Created, Revoked: a.Revoked}
	if !a.Revoked.IsZero() {
		out.State = "revoked"
	}
	return out
}
