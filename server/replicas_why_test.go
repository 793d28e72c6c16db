package server_test

import (
	"errors"
	"testing"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/envoy"
)

// TestReplicasTellWhy has a request recorded at two replicas, and every replica tells all of it; one that is cut off from the store is
// named as one that did not answer.
func TestReplicasTellWhy(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, 3, nil)
	r.serving(1)
	route := envoy.RouteName("bank/v1/get", rulesOf(t, r.all[0], "http://bank.test:8080/bank/accounts"))
	logged(t, r.all[1], route, "asked", 403, "rbac_access_denied_matched_policy[inside]", nil)
	logged(t, r.all[2], route, "asked", 401, "jwt_authn_access_denied{Jwt_is_expired}", nil)
	told := func(s int, decisions, silent int) func() bool {
		return func() bool {
			found, err := client(t, r.all[s]).DecisionsOf(t.Context(), "asked")
			return err == nil && len(found.Decisions) == decisions && len(found.Why) > 0 && len(found.Elsewhere) == silent
		}
	}
	for i, name := range r.names {
		eventually(t, name+" tells of both records", told(i, 2, 0))
	}
	if _, err := client(t, r.all[0]).DecisionsOf(t.Context(), "unheard"); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("of a request that nobody knows: %v", err)
	}
	r.ways[2].set(true)
	found, err := client(t, r.all[0]).DecisionsOf(t.Context(), "asked")
	if err != nil || len(found.Decisions) != 1 || len(found.Elsewhere) != 1 || found.Elsewhere[0] != "c" {
		t.Errorf("with one replica cut off: %+v, %v", found, err)
	}
	r.ways[2].set(false)
	eventually(t, "it answers again", told(0, 2, 0))
}
