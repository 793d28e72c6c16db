package main

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// process is a program of somebody else's that runs for a while of this run. It dies with this process.
type process struct {
	command *exec.Cmd
	ended   <-chan error
}

// start starts a command; what it says goes to log.
func start(command *exec.Cmd, log io.Writer) (*process, error) {
	as := command.SysProcAttr
	command.SysProcAttr = childAttributes()
	if as != nil {
		command.SysProcAttr.Credential = as.Credential
	}
	command.Stdout, command.Stderr = log, log
	ended, err := attend(command)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", command.Path, err)
	}
	return &process{command: command, ended: ended}, nil
}

// until asks again and again, until an answer comes or the process ends.
func (p *process) until(answers func() error) error {
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := answers()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case how := <-p.ended:
			return fmt.Errorf("%s ended: %w", p.command.Path, errors.Join(how, err))
		case <-limit.C:
			return fmt.Errorf("%s does not answer: %w", p.command.Path, err)
		}
	}
}

// stop tells the process to end, and waits until it has.
func (p *process) stop(with syscall.Signal) error {
	if err := p.command.Process.Signal(with); err != nil {
		return fmt.Errorf("stop %s: %w", p.command.Path, err)
	}
	timer := time.NewTimer(stopLimit)
	defer timer.Stop()
	select {
	case <-p.ended: //nolint:errcheck // However it ends.
		return nil
	case <-timer.C:
		err := p.command.Process.Kill()
		<-p.ended //nolint:errcheck // Killed, as was wanted.
		return errors.Join(fmt.Errorf("stop %s: it had to be killed", p.command.Path), err)
	}
}
