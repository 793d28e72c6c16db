package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// errAbsent tells that a program is not on this machine. What needs it is left out.
var errAbsent = errors.New("not found")

// postgres starts a PostgreSQL that syncs what it confirms, on a Unix socket, and returns the URL of an empty database. Where this
// process is root's, which PostgreSQL refuses to be, it runs as another user. The error wraps errAbsent where there is none.
func (b *bench) postgres(ctx context.Context) (where string, stop func() error, err error) {
	bin, err := postgresBin()
	if err != nil {
		return "", nil, err
	}
	as, err := otherUser()
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "ghp") // Not in that of the run, which other users may not enter.
	if err != nil {
		return "", nil, fmt.Errorf("make a directory: %w", err)
	}
	remove := func() error { return os.RemoveAll(dir) }
	if as != nil {
		if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			return "", nil, errors.Join(err, remove())
		}
	}
	command := func(name string, args ...string) *exec.Cmd {
		c := exec.CommandContext(ctx, filepath.Join(bin, name), args...) //nolint:gosec // A program of this machine.
		c.Dir, c.Env = dir, []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH")}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: as}
		return c
	}
	cluster := filepath.Join(dir, "cluster")
	if out, err := command("initdb", "-D", cluster, "-U", "gatehouse", "-E", "UTF8", "--locale=C", "--auth=trust").CombinedOutput(); err != nil {
		return "", nil, errors.Join(fmt.Errorf("initdb: %w: %s", err, out), remove())
	}
	server, err := start(command("postgres", "-D", cluster, "-k", dir, "-h", ""), nil)
	if err != nil {
		return "", nil, errors.Join(err, remove())
	}
	stop = func() error { return errors.Join(server.stop(syscall.SIGINT), remove()) }
	ready := func() error { return command("pg_isready", "-q", "-h", dir, "-U", "gatehouse", "-d", "postgres").Run() }
	if err := server.until(ready); err != nil {
		return "", nil, errors.Join(err, stop())
	}
	query := url.Values{"host": {dir}, "user": {"gatehouse"}}
	return (&url.URL{Scheme: "postgres", Path: "/postgres", RawQuery: query.Encode()}).String(), stop, nil
}

// postgresBin returns the folder of PostgreSQL's programs: the newest where Debian puts them, or that of the one on the PATH.
func postgresBin() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err == nil && len(found) > 0 {
		version := func(path string) int {
			n, _ := strconv.Atoi(strings.Split(path, "/")[4]) // Else it is the oldest.
			return n
		}
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
	}
	path, err := exec.LookPath("postgres")
	if err != nil {
		return "", fmt.Errorf("postgres: %w", errAbsent)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", fmt.Errorf("find PostgreSQL: %w", err)
	}
	return filepath.Dir(path), nil
}

// otherUser returns whom a program runs as that refuses to be root's; nil where this process is not root's.
func otherUser() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
		if uidErr == nil && gidErr == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: true}, nil
		}
	}
	return nil, fmt.Errorf("a user other than root: %w", errAbsent)
}
