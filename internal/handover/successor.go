package handover

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// Variable is the environment variable by which a process knows that it is a successor. Its value is how many listening
// sockets it inherits.
const Variable = "GATEHOUSE_HANDOVER"

// The descriptors of a successor: the channel, the calls, then the listening sockets (os/exec counts ExtraFiles from 3).
const (
	channelFD  = 3
	callsFD    = 4
	listenerFD = 5
)

// Listener is a listening socket that another process can inherit, such as net.TCPListener and net.UnixListener.
type Listener interface {
	net.Listener
	syscall.Conn
}

// Successor is the new process, as the old one sees it.
type Successor struct {
	*Channel
	Calls net.Conn // The near end of a connection whose far end the new process has.

	command *exec.Cmd
	ended   chan struct{}
}

// Start starts a command as successor. It inherits the listeners in their order, and finds out about them by Inherit. The
// command's environment must be set; the successor owns its other files.
func Start(command *exec.Cmd, listeners []Listener) (*Successor, error) {
	var far []*os.File
	defer func() { closeAll(far) }() // The successor has its own.
	s := &Successor{command: command, ended: make(chan struct{})}
	near, remote, err := pair()
	if err != nil {
		return nil, err
	}
	far = append(far, remote)
	s.Channel = &Channel{near}
	if s.Calls, remote, err = pair(); err != nil {
		return nil, errors.Join(err, near.Close())
	}
	far = append(far, remote)
	for _, l := range listeners {
		file, err := duplicate(l)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("hand over the socket %s: %w", l.Addr(), err), s.close())
		}
		far = append(far, file)
	}
	command.ExtraFiles = far
	command.Env = append(command.Env, Variable+"="+strconv.Itoa(len(listeners)))
	if err := command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the new process: %w", err), s.close())
	}
	go func() {
		_ = command.Wait() // Its state tells.
		close(s.ended)
	}()
	return s, nil
}

// PID returns the new process's id.
func (s *Successor) PID() int { return s.command.Process.Pid }

// Ended is closed when the new process has ended.
func (s *Successor) Ended() <-chan struct{} { return s.ended }

// State tells how the new process ended, such as "exit status 1". It may be called after Ended only.
func (s *Successor) State() string { return s.command.ProcessState.String() }

// Kill ends the new process at once and returns when it has ended.
func (s *Successor) Kill() error {
	_ = s.command.Process.Kill() // It fails only where the process has ended.
	<-s.ended
	return s.close()
}

func (s *Successor) close() error { return errors.Join(s.conn.Close(), s.Calls.Close()) }

// duplicate returns another descriptor of a socket. It is not made by File, whose descriptor becomes a blocking one as soon as
// it is passed on, and with it the socket itself, which both processes accept from.
func duplicate(l Listener) (*os.File, error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var failed error
	if err := raw.Control(func(original uintptr) {
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		if fd, failed = syscall.Dup(int(original)); failed == nil { //nolint:gosec // A descriptor.
			syscall.CloseOnExec(fd)
		}
	}); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, failed
	}
	return os.NewFile(uintptr(fd), l.Addr().String()), nil //nolint:gosec // A descriptor.
}

// pair returns the ends of a connection, of which the other is to be inherited.
func pair() (net.Conn, *os.File, error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("open a channel to the new process: %w", err)
	}
	near := os.NewFile(uintptr(fds[0]), "handover")
	far := os.NewFile(uintptr(fds[1]), "handover")
	conn, err := net.FileConn(near)
	if err = errors.Join(err, near.Close()); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open a channel to the new process: %w", err), far.Close())
	}
	return conn, far, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // Duplicates, to which nothing was written.
	}
}
