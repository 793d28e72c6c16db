package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
)

// manyFiles hold APIs of ten operations each in files of ten, to one Upstream each.
func manyFiles(apis, operations int) files {
	out := platformFiles()
	for i := 0; i < apis; i += 10 {
		var b strings.Builder
		b.WriteString("schema: 1\n")
		for k := i; k < min(i+10, apis); k++ {
			fmt.Fprintf(&b, "---\nkind: Upstream\nname: u%[1]d\nendpoints: [{address: \"127.0.0.1:9001\"}]\n---\nkind: API\nname: a%[1]d\nversion: v1\n"+
				"expose: [{gateway: edge, hosts: [a%[1]d.bank.test]}]\nauthenticate: none\nto: u%[1]d\noperations:\n", k)
			for o := range operations {
				fmt.Fprintf(&b, "  - {id: op%[1]d, method: GET, path: /things/%[1]d}\n", o)
			}
		}
		out[fmt.Sprintf("apis/%d.yaml", i)] = []byte(strings.Replace(b.String(), "schema: 1\n---\n", "schema: 1\n", 1))
	}
	return out
}

// anyHost is a Gateway for every host.
func served(b *testing.B) *admin.Client {
	b.Helper()
	s, err := server.New(server.Options{State: needs.SocketDir(b)})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Stop(b.Context()) }) // What is measured is over.
	c, err := admin.Dial(s.Addrs().Admin, "")
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// BenchmarkApply applies a thousand objects to a daemon that has none, by its management API.
func BenchmarkApply(b *testing.B) {
	f := manyFiles(500, 10)
	for b.Loop() {
		b.StopTimer()
		c := served(b)
		b.StartTimer()
		if _, err := c.Apply(b.Context(), admin.Proposal{Source: "bank", Files: f, Prune: true}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPlan plans a change of one operation of 5,000.
func BenchmarkPlan(b *testing.B) {
	c, f := served(b), manyFiles(500, 10)
	if _, err := c.Apply(b.Context(), admin.Proposal{Source: "bank", Files: f, Prune: true}); err != nil {
		b.Fatal(err)
	}
	f["apis/250.yaml"] = []byte(strings.Replace(string(f["apis/250.yaml"]), "/things/7", "/things/8x", 1))
	for b.Loop() {
		plan, err := c.Plan(b.Context(), admin.Proposal{Source: "bank", Files: f, Prune: true})
		if err != nil || len(plan.Changes) != 1 || len(plan.Faults) > 0 {
			b.Fatalf("%+v, %v", plan.Changes, err)
		}
	}
}
