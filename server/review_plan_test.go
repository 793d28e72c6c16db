package server_test

import (
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
)

// TestPlansWarnOfNewRisks plans a Gateway that other hosts reach by plain HTTP: the plan warns until that is what is live.
func TestPlansWarnOfNewRisks(t *testing.T) {
	t.Parallel()
	c := client(t, start(t, server.Options{State: needs.SocketDir(t)}))
	applied(t, c, "platform", files{"gateway.yaml": []byte("schema: 1\nkind: Gateway\nname: edge\nlisteners: [{name: http, address: 127.0.0.1, port: 8080}]\n")})
	open := admin.Proposal{Source: "platform", Files: files{"gateway.yaml": []byte("schema: 1\nkind: Gateway\nname: edge\nlisteners: [{name: http, port: 8080}]\n")}}
	plan := planned(t, c, open)
	if len(plan.Faults) != 0 || len(plan.Warnings) != 1 || plan.Warnings[0].Code != "GS020" || plan.Warnings[0].Place.File != "gateway.yaml" ||
		!strings.Contains(plan.Warnings[0].Message, "by plain HTTP only: add a listener") {
		t.Fatalf("faults %v, warnings %+v", plan.Faults, plan.Warnings)
	}
	applied(t, c, "platform", open.Files)
	open.Files = files{"gateway.yaml": []byte("schema: 1\nkind: Gateway\nname: edge\nlisteners: [{name: http, port: 8081}]\n")}
	if again := planned(t, c, open); len(again.Changes) != 1 || len(again.Warnings) != 0 {
		t.Errorf("what is live already is warned of again: %+v", again.Warnings)
	}
}
