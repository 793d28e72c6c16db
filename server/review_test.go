package server_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gatehouse/gatehouse/internal/testcert"
	"github.com/gatehouse/gatehouse/posture"
	"github.com/gatehouse/gatehouse/server"
)

// TestReview has each rule look at documents about which it has something to say (fires), and at nearly the same about which it
// has nothing (quiet).
func TestReview(t *testing.T) {
	for _, rule := range slices.Concat(posture.Security(), posture.Style()) {
		if rule.ID == "GS026" { // About what no directory says.
			continue
		}
		t.Run(rule.ID, func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(filepath.Join("testdata", "review", rule.ID+".txtar"))
			if err != nil {
				t.Fatal(err)
			}
			for _, side := range []string{"fires", "quiet"} {
				said := 0
				for _, f := range review(t, archive, side) {
					if f.Rule != rule.ID {
						continue
					}
					said++
					if f.Severity != rule.Severity || f.Message == "" || f.Fix != rule.Fix || f.Place.File == "" || f.Place.Line == 0 {
						t.Errorf("%s: not complete: %+v", side, f)
					}
				}
				if said != map[string]int{"fires": 1}[side] {
					t.Errorf("%s: the rule says %d things", side, said)
				}
			}
		})
	}
}

// review looks over the files of one side of a case.
func review(t *testing.T, archive *txtar.Archive, side string) []posture.Finding {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, text []byte) {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range archive.Files {
		if name, ok := strings.CutPrefix(f.Name, side+"/"); ok {
			write(name, f.Data)
		}
	}
	for name, from := range map[string]time.Time{"bank": time.Now().Add(-time.Hour), "soon": time.Now().AddDate(0, 0, -80)} {
		chain, key, err := testcert.Make(testcert.Settings{Hosts: []string{"api.bank.test"}, From: from})
		if err != nil {
			t.Fatal(err)
		}
		write(name+".pem", chain)
		write(name+".key.pem", key)
	}
	reviewed, faults := server.Work{Dir: dir}.Review(reviewKey, time.Now())
	if len(faults) > 0 {
		t.Fatalf("%s: %v", side, faults)
	}
	return append(reviewed.Posture, reviewed.Lint...)
}

// reviewKey is an environment with the key of an example's issuer.
func reviewKey(name string) (string, bool) {
	return `{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, name == "TEST_KEY"
}

// TestReviewRefusesWhatIsFaulty reviews documents with a fault, and waivers of a rule that does not exist.
func TestReviewRefusesWhatIsFaulty(t *testing.T) {
	for file, text := range map[string]string{
		"bank.yaml":               "schema: 1\nkind: Upstream\nname: payments\n",
		".gatehouse/waivers.yaml": "schema: 1\nwaivers: [{rule: GS999, object: x, reason: x, until: 2999-01-31}]\n",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		reviewed, faults := server.Work{Dir: dir}.Review(reviewKey, time.Now())
		if reviewed != nil || len(faults) != 1 || faults[0].Place.File != file {
			t.Errorf("%s: %v, %v", file, reviewed, faults)
		}
	}
}
