package server

import (
	"errors"
	"net"
)

// peerUID returns the user at the other end of a Unix socket, as the kernel knows it.
func peerUID(c net.Conn) (uint32, error) {
	socket, ok := c.(*net.UnixConn)
	if !ok {
		return 0, errors.New("not a unix socket")
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, err
	}
	var uid uint32
	var failed error
	if err := raw.Control(func(fd uintptr) { uid, failed = credential(int(fd)) }); err != nil {
		return 0, err
	}
	return uid, failed
}
