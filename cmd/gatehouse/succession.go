package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/internal/handover"
	"github.com/gatehouse/gatehouse/internal/program"
	"github.com/gatehouse/gatehouse/server"
)

// notifyTimeout bounds a word to the service manager.
const notifyTimeout = time.Second

// succession tells the server whose place it takes, and who may take its own.
func (o *serveOptions) succession() error {
	predecessor, err := handover.Inherit(o.env.lookup)
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the working directory: %w", err)
	}
	o.server.Predecessor = predecessor
	o.server.Successor = func() (*exec.Cmd, error) { return successor(o.env, dir) }
	log := o.server.Logger
	o.server.Handed = func(pid int) { notify(o.env.lookup, log, "MAINPID="+strconv.Itoa(pid)) }
	o.server.Serving = func() {
		if predecessor == nil { // A successor is announced by its predecessor, which alone the service manager believes.
			notify(o.env.lookup, log, "READY=1")
		}
	}
	return nil
}

// handOver hands over to a new process, and says why where that fails.
func (o *serveOptions) handOver(ctx context.Context, s *server.Server) {
	if err := s.HandOver(ctx); err != nil {
		o.server.Logger.Error("not handed over, serving on", "error", err)
	}
}

// successor returns the command of this process anew: the program by the name under which it was called, in the version
// that is there now.
func successor(env surroundings, dir string) (*exec.Cmd, error) {
	if os.Getpid() == 1 {
		return nil, fmt.Errorf("process 1 cannot hand over, as its end is the container's: start a new container instead")
	}
	name := env.program
	if strings.ContainsRune(name, filepath.Separator) && !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, fmt.Errorf("find the program of the new process: %w", err)
	}
	c := exec.CommandContext(context.Background(), path, env.arguments...) // It outlives this process.
	c.Args[0] = env.program
	c.Dir = dir
	for _, variable := range env.environ() {
		if !strings.HasPrefix(variable, handover.Variable+"=") {
			c.Env = append(c.Env, variable)
		}
	}
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	return c, nil
}

// notify tells a service manager such as systemd what it waits for, where it has said how (sd_notify(3)).
func notify(lookup program.Lookup, log *slog.Logger, message string) {
	path, ok := lookup("NOTIFY_SOCKET")
	if !ok || path == "" {
		return
	}
	dialer := net.Dialer{Timeout: notifyTimeout}
	c, err := dialer.DialContext(context.Background(), "unixgram", path) // "@" stands for an abstract name in Go as well.
	if err == nil {
		_, err = c.Write([]byte(message))
		_ = c.Close() // A datagram is gone when it is written.
	}
	if err != nil {
		log.Warn("the service manager does not hear", "message", message, "error", err)
	}
}
