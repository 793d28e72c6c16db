package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/internal/testcert"
	"github.com/gatehouse/gatehouse/internal/transcript"
)

// awaitTimeout is how long a script waits for what must come.
const awaitTimeout = 30 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gatehouse": main})
}

// TestScripts runs each verb as a process of its own: every text that a person sees, every exit code.
func TestScripts(t *testing.T) {
	t.Parallel()
	runScripts(t, "testdata/script", "")
}

// TestScriptsWithPostgres are those that need a PostgreSQL: each has an empty database of its own.
func TestScriptsWithPostgres(t *testing.T) {
	t.Parallel()
	server := needs.Postgres(t)
	t.Run("scripts", func(t *testing.T) {
		runScripts(t, "testdata/postgres", "", func(e *testscript.Env) { e.Setenv("STORE_URL", server.Database()) })
	})
}

// TestScriptsWithEnvoy are those that need a real Envoy.
func TestScriptsWithEnvoy(t *testing.T) {
	t.Parallel()
	needs.Binary(t, "curl")
	needs.Binary(t, "redis-server")
	runScripts(t, "testdata/envoy", needs.Envoy(t))
}

func runScripts(t *testing.T, dir, binary string, more ...func(*testscript.Env)) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("ROOT", root)
			e.Setenv("QUICKSTART", filepath.Join(root, "examples", "quickstart"))
			e.Setenv("GATEHOUSE_ENVOY", binary)
			for _, set := range more {
				set(e)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "await": await, "ports": ports, "expand": expand, "quit": quit, "replace": replace, "page": page, "hold": hold, "certificate": certificate, "word": word,
		},
	})
}

// exits CODE PROGRAM ARGS... runs a program, which must end with an exit code; its output can be looked at.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](ts.Exec(args[1], args[2:]...)); ok {
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s ended with exit code %d, not %d", args[1], got, want)
	}
}

// [!] await PROGRAM ARGS... runs a program again and again until it succeeds (or fails).
func await(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), awaitTimeout)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		if err := ts.Exec(args[0], args[1:]...); (err == nil) != neg {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			ts.Fatalf("waited in vain for: %s", strings.Join(args, " "))
		}
	}
}

// ports NAME... sets each variable to a port of loopback that is the script's own until it ends.
func ports(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		port, release, err := needs.HoldPort()
		ts.Check(err)
		ts.Defer(release)
		ts.Setenv(name, fmt.Sprint(port))
	}
}

// word NAME PATTERN sets a variable to what the first group of a pattern is in the last output.
func word(ts *testscript.TestScript, _ bool, args []string) {
	found := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) < 2 {
		ts.Fatalf("%s is not in the last output", args[1])
	}
	ts.Setenv(args[0], found[1])
}

// quit SOCKET ends the Envoy whose admin listens there, as if it had ended by itself.
func quit(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), awaitTimeout)
	defer cancel()
	ts.Check(envoy.NewAdmin(ts.MkAbs(args[0])).Post(ctx, "/quitquitquit"))
}

// replace OLD NEW FILE... puts one text in the place of another.
func replace(ts *testscript.TestScript, _ bool, args []string) {
	for _, file := range args[2:] {
		text := strings.ReplaceAll(ts.ReadFile(file), args[0], args[1])
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o600))
	}
}

// page FILE runs each command of a page, which must answer as the page says, and end with exit code 0, or 2 for changes.
func page(ts *testscript.TestScript, _ bool, args []string) {
	steps := transcript.Parse(ts.ReadFile(args[0]))
	if len(steps) == 0 {
		ts.Fatalf("%s has no commands", args[0])
	}
	for _, step := range steps {
		err := ts.Exec("sh", "-c", "{ "+step.Command+"\n} 2>&1")
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != exitChanges {
			ts.Check(err)
		}
		if got := ts.ReadFile("stdout"); !step.Matches(got) {
			ts.Fatalf("%s\nanswers\n%s\nand the page says\n%s", step.Command, got, step.Answer)
		}
	}
}

// certificate NAME HOST... writes NAME.pem and NAME.key.pem, good for the hosts, for 90 days from an hour ago; "expired" as
// the first host makes one that was good a year ago.
func certificate(ts *testscript.TestScript, _ bool, args []string) {
	s := testcert.Settings{Hosts: args[1:]}
	if args[1] == "expired" {
		s = testcert.Settings{Hosts: args[2:], From: time.Now().AddDate(-1, 0, 0)}
	}
	chain, key, err := testcert.Make(s)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".pem"), chain, 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".key.pem"), key, 0o600))
}

// hold SOCKET begins a request of the management API that takes most of a minute, and returns when it is under way.
func hold(ts *testscript.TestScript, _ bool, args []string) {
	ask := func(path string) net.Conn {
		c, err := net.Dial("unix", ts.MkAbs(args[0]))
		ts.Check(err)
		ts.Defer(func() { _ = c.Close() })
		_, err = fmt.Fprintf(c, "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", path)
		ts.Check(err)
		return c
	}
	ask("/debug/pprof/profile?seconds=45")
	for deadline := time.Now().Add(awaitTimeout); ; {
		stacks, err := io.ReadAll(ask("/debug/pprof/goroutine?debug=1"))
		ts.Check(err)
		if strings.Contains(string(stacks), "pprof.Profile") {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the request has not begun")
		}
	}
}

// expand FILE... puts the script's variables into files.
func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, file := range args {
		path := ts.MkAbs(file)
		text := os.Expand(ts.ReadFile(file), ts.Getenv)
		ts.Check(os.WriteFile(path, []byte(text), 0o600))
	}
}
