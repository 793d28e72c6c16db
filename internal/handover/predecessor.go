package handover

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
)

// listenersMax bounds how many sockets are taken for inherited ones.
const listenersMax = 64

// Predecessor is the old process, as the new one sees it.
type Predecessor struct {
	*Channel
	Calls     net.Conn       // The far end of Successor.Calls.
	Listeners []net.Listener // In the order in which the old process named them.
}

// Inherit returns what a predecessor has left to this process, and nil where there is none, as the environment says. It may
// be called once. An error means that the environment says so and the descriptors do not.
func Inherit(lookup func(string) (string, bool)) (*Predecessor, error) {
	value, ok := lookup(Variable)
	if !ok || value == "" {
		return nil, nil //nolint:nilnil // No predecessor is not an error, and there is nothing to return.
	}
	count, err := strconv.Atoi(value)
	if err != nil || count < 0 || count > listenersMax {
		return nil, fmt.Errorf("the variable %s is %q, and should be a number of sockets: it is not for people to set", Variable, value)
	}
	p := &Predecessor{}
	channel, err := inherited(channelFD, net.FileConn)
	if err != nil {
		return nil, err
	}
	p.Channel = &Channel{channel}
	if p.Calls, err = inherited(callsFD, net.FileConn); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	for fd := listenerFD; fd < listenerFD+count; fd++ {
		l, err := inherited(fd, net.FileListener)
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		p.Listeners = append(p.Listeners, l)
	}
	return p, nil
}

// Leave closes the channel; what else was inherited belongs to who uses it.
func (p *Predecessor) Leave() error { return p.conn.Close() }

// Close closes all that was inherited and is still here. The sockets of the old process stay as they are.
func (p *Predecessor) Close() error {
	errs := []error{p.Leave()}
	if p.Calls != nil {
		errs = append(errs, p.Calls.Close())
	}
	for _, l := range p.Listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// inherited makes a connection or a listener of a descriptor, which no later process inherits by accident.
func inherited[T any](fd int, open func(*os.File) (T, error)) (T, error) {
	syscall.CloseOnExec(fd)
	file := os.NewFile(uintptr(fd), "inherited") //nolint:gosec // A small number.
	out, err := open(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return out, fmt.Errorf("the variable %s is set, and descriptor %d is no socket of a predecessor: %w", Variable, fd, err)
	}
	return out, nil
}
