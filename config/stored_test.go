package config_test

import (
	"testing"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

// TestLoadFilesIsLoad loads the examples from their directory, and again from the files that this brought: the content is
// the same.
func TestLoadFilesIsLoad(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"../examples/quickstart"} {
		read, faults := config.Load(dir, config.Options{})
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		again, faults := config.LoadFiles(read.Files, dir, config.Options{})
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		first, faults := gateway.Assemble(read, nil)
		second, more := gateway.Assemble(again, nil)
		if len(faults)+len(more) > 0 || first.ID != second.ID || len(first.Routes) != len(second.Routes) {
			t.Errorf("%s: %s and %s, %d and %d routes, %v %v", dir, first.ID, second.ID, len(first.Routes), len(second.Routes), faults, more)
		}
		for i := range first.Routes {
			if first.Routes[i].Rules != second.Routes[i].Rules {
				t.Errorf("%s: the rules of %s differ", dir, first.Routes[i].Name)
			}
		}
	}
}
