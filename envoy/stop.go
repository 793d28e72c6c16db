package envoy

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Stop ends the Envoy and waits until it is gone. First it drains for at most drain: it accepts no new connection, each
// response closes its own, and it goes on as soon as no client is connected; 0 skips this. Then SIGTERM; then SIGKILL, when the
// Envoy has not ended in five seconds or ctx ends. The error tells of an Envoy that had to be killed.
func (c *Child) Stop(ctx context.Context, drain time.Duration) error {
	c.drain(ctx, drain)
	if c.Err() != nil {
		return nil
	}
	_ = terminate(c.process) // fails only when the process has just ended
	timer := time.NewTimer(killDelay)
	defer timer.Stop()
	var err error
	select {
	case <-c.ended:
		return nil
	case <-timer.C:
		err = fmt.Errorf("stop envoy: it had not ended %v after SIGTERM and was killed", killDelay)
	case <-ctx.Done():
		err = fmt.Errorf("stop envoy: it was killed: %w", context.Cause(ctx))
	}
	_ = c.process.Kill()
	<-c.ended
	return err
}

// drain lets the clients go. It gives up in silence when the admin does not answer: SIGTERM follows in any case.
func (c *Child) drain(ctx context.Context, within time.Duration) {
	if within <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := c.admin.Post(ctx, "/healthcheck/fail"); err != nil {
		return
	}
	if err := c.admin.Post(ctx, "/drain_listeners"); err != nil {
		return
	}
	_ = c.poll(ctx, func() bool {
		connected, err := c.admin.Connections(ctx)
		return err == nil && connected == 0
	})
}

// terminate asks a process to end.
func terminate(process *os.Process) error { return process.Signal(syscall.SIGTERM) }
