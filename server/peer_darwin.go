package server

import "golang.org/x/sys/unix"

// credential returns the user of a socket's peer (LOCAL_PEERCRED, unix(4)).
func credential(fd int) (uint32, error) {
	cred, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return cred.Uid, nil
}
