package e2e_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/testcert"
	"github.com/gatehouse/gatehouse/server"
	"github.com/gatehouse/gatehouse/xds"
	"github.com/gatehouse/gatehouse/xds/render"
	"github.com/gatehouse/gatehouse/xds/translate"
)

// Where the cases are, seen from this package: each a folder with documents and the Envoy configuration that they mean. The
// quickstart's documents are the example's own.
const (
	goldens    = "testdata/golden"
	quickstart = "../examples/quickstart"
)

// goldenCase is what the documents of a case become, for the one fleet that each case has.
type goldenCase struct {
	name      string
	dir       string // Where its documents are, with the files that they name.
	revision  *gateway.Revision
	resources *translate.Resources
}

// file returns the path of the case's golden file.
func (c *goldenCase) file() string { return filepath.Join(goldens, c.name, "edge.yaml") }

// goldenCases compiles the documents of every case.
func goldenCases(t *testing.T) []*goldenCase {
	t.Helper()
	entries, err := os.ReadDir(goldens)
	if err != nil {
		t.Fatal(err)
	}
	var cases []*goldenCase
	for _, e := range entries {
		dir := filepath.Join(goldens, e.Name(), "documents")
		if e.Name() == "quickstart" {
			dir = quickstart
		}
		dir = withCertificates(t, dir)
		rev, fleets := compileCase(t, e.Name(), dir)
		if len(fleets) != 1 {
			t.Fatalf("case %s has %d fleets, want one", e.Name(), len(fleets))
		}
		cases = append(cases, &goldenCase{name: e.Name(), dir: dir, revision: rev, resources: fleets["edge"]})
	}
	return cases
}

// withCertificates returns a directory with the same documents, and with the files of their certificates, which are made anew
// each time: no key lies among the sources. Where there are no certificates it is the same directory.
func withCertificates(t *testing.T, dir string) string {
	t.Helper()
	docs, _ := config.Load(dir, config.Options{})
	if len(docs.Certificates) == 0 {
		return dir
	}
	hosts := map[string][]string{"bank": {"*.bank.test", "api.bank.test"}, "shop": {"shop.test"}}
	made := t.TempDir()
	if err := os.CopyFS(made, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	for _, c := range docs.Certificates {
		chain, key, err := testcert.Make(testcert.Settings{Hosts: hosts[c.Name]})
		if err != nil {
			t.Fatal(err)
		}
		for path, text := range map[string][]byte{c.Chain: chain, c.Key: key} {
			path = filepath.Join(made, path)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, text, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return made
}

// compileCase compiles a directory as the daemon does: the case "quarantined" as at a start without a good version, any
// other must have no fault.
func compileCase(t *testing.T, name, dir string) (*gateway.Revision, map[string]*translate.Resources) {
	t.Helper()
	checked, faults := server.Check(dir, nil)
	if name != "quarantined" {
		if len(faults) > 0 {
			t.Fatalf("case %s: %v", name, faults)
		}
		return checked.Revision, checked.Fleets
	}
	docs, found := config.Load(dir, config.Options{})
	if len(faults) == 0 || len(found) > 0 {
		t.Fatalf("case %s: faults %v, of which %v in the documents; want faults of the policy alone", name, faults, found)
	}
	docs, shared, done := gateway.Quarantine(docs, nil, faults)
	if len(shared) > 0 || len(done) != 1 || done[0].With != "503" {
		t.Fatalf("case %s: shared faults %v, substitutions %+v", name, shared, done)
	}
	rev, faults := gateway.Assemble(docs, nil)
	_, mistakes := authz.Compile(rev, nil)
	table, refused := xds.Compile(rev, nil, nil)
	if len(faults)+len(mistakes)+len(refused) > 0 {
		t.Fatalf("case %s, quarantined: %v %v %v", name, faults, mistakes, refused)
	}
	return rev, table.Fleets
}

// static renders a case as an Envoy runs it without a control plane, with Gatehouse's sockets in a directory.
func (c *goldenCase) static(t *testing.T, dir string) *bootstrapv3.Bootstrap {
	t.Helper()
	at := func(name string) []string { return []string{envoy.SocketScheme + filepath.Join(dir, name)} }
	bootstrap, err := render.Static(c.resources, envoy.Settings{Fleet: c.resources.Fleet, Node: "edge-1", Dir: dir}, envoy.Services{
		Authz: at("authz.sock"), RateLimit: at("ratelimit.sock"), AccessLog: at("accesslog.sock"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return bootstrap
}
