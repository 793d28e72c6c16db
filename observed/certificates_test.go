package observed_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/testcert"
	"github.com/gatehouse/gatehouse/observed"
)

// patience bounds every wait for something that must happen.
const patience = 10 * time.Second

func put(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func made(t *testing.T, s testcert.Settings) (chain, key []byte) {
	t.Helper()
	chain, key, err := testcert.Make(s)
	if err != nil {
		t.Fatal(err)
	}
	return chain, key
}

func TestRead(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	dir, other := t.TempDir(), t.TempDir()
	chain, key := made(t, testcert.Settings{Hosts: []string{"api.bank.test"}, From: now.AddDate(0, -1, 0)})
	put(t, filepath.Join(dir, "bank.pem"), chain)
	put(t, filepath.Join(other, "bank.key"), key)
	old, oldKey := made(t, testcert.Settings{Hosts: []string{"old.test"}, From: now.AddDate(-1, 0, 0)})
	put(t, filepath.Join(dir, "old.pem"), old)
	put(t, filepath.Join(dir, "old.key"), oldKey)
	put(t, filepath.Join(dir, "huge.pem"), make([]byte, 2<<20))
	c := observed.Certificates{Dir: dir, Now: func() time.Time { return now }}
	origin := gateway.Origin{File: "bank.yaml", Line: 3, Find: func(field string) (int, int) {
		return map[string]int{"chain": 4, "key": 5}[field], 1
	}}
	for _, test := range []struct {
		name, chain, key string
		read             bool
		fault            string
	}{
		{"bank", "bank.pem", filepath.Join(other, "bank.key"), true, ""},
		{"old", "old.pem", "old.key", true, "bank.yaml:4:1: GH123"},
		{"missing", "none.pem", "old.key", false, "bank.yaml:4:1: GH121: there is no file " + filepath.Join(dir, "none.pem")},
		{"folder", "bank.pem", ".", false, "bank.yaml:5:1: GH121: " + dir + " is no regular file"},
		{"huge", "huge.pem", "old.key", false, "bank.yaml:4:1: GH121: the file " + filepath.Join(dir, "huge.pem") + " is larger"},
		{"mixed", "bank.pem", "old.key", false, "bank.yaml:5:1: GH122"},
	} {
		pairs, faults := c.Read([]*gateway.Certificate{{Name: test.name, Chain: test.chain, Key: test.key, Origin: origin}})
		if _, read := pairs[test.name]; read != test.read || !strings.HasPrefix(faults.Error(), test.fault) || (test.fault == "") != (len(faults) == 0) {
			t.Errorf("%s: read %t, faults %q, want %t, %q", test.name, read, faults.Error(), test.read, test.fault)
		}
	}
	pairs, _ := c.Read([]*gateway.Certificate{{Name: "bank", Chain: "bank.pem", Key: filepath.Join(other, "bank.key")}})
	if p := pairs["bank"]; p.ChainFile != filepath.Join(dir, "bank.pem") || p.KeyFile != filepath.Join(other, "bank.key") {
		t.Errorf("read from %s and %s", p.ChainFile, p.KeyFile)
	}
}

// TestFiles changes a file in every way that tools do, and is told each time.
func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, sub := range []string{"v1", "v2", "elsewhere"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, sub, "tls.crt"), []byte(sub))
	}
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, "fresh")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "fresh"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("v1", "..data")
	link("..data/tls.crt", "tls.crt")
	direct := filepath.Join(dir, "elsewhere", "tls.crt")
	files, err := observed.WatchFiles(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	files.Follow([]string{filepath.Join(dir, "tls.crt"), direct})
	told := func(how string) {
		t.Helper()
		select {
		case <-files.Changed():
		case <-time.After(patience):
			t.Fatalf("%s: nobody is told", how)
		}
	}
	put(t, direct, []byte("renamed"))
	told("renamed into place")
	if err := os.WriteFile(direct, []byte("written"), 0o600); err != nil {
		t.Fatal(err)
	}
	told("written in place")
	if err := os.Remove(direct); err != nil {
		t.Fatal(err)
	}
	told("removed")
	put(t, direct, []byte("again"))
	told("made again")
	link("v2", "..data")
	told("a link on the way is put in another's place")
	put(t, filepath.Join(dir, "v2", "tls.crt"), []byte("behind the link"))
	told("renamed behind the new link")
	if err := os.RemoveAll(filepath.Join(dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	told("its folder is removed")
	if err := os.Mkdir(filepath.Join(dir, "elsewhere"), 0o700); err != nil {
		t.Fatal(err)
	}
	told("its folder is made again")
	put(t, direct, []byte("in a new folder"))
	told("a file in the new folder")
}
