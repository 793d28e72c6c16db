package config_test

import (
	"testing"
	"testing/fstest"

	"github.com/gatehouse/gatehouse/config"
)

// TestNoMarginIsSaid tells 0% from nothing said.
func TestNoMarginIsSaid(t *testing.T) {
	t.Parallel()
	docs, faults := config.LoadFS(fstest.MapFS{"a.yaml": {Data: []byte(`schema: 1
kind: Gateway
name: edge
listeners: [{name: http, port: 8080}]
rollout: {gates: {errors: 0%}}
`)}}, config.Options{})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	r := docs.Gateways[0].Rollout
	if r.Errors <= 0 || r.Errors > 0.001 || r.Denials != 0 {
		t.Errorf("errors %v, denials %v: want hardly anything, and nothing said", r.Errors, r.Denials)
	}
}
