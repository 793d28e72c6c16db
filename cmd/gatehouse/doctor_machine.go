package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/socket"
	"github.com/gatehouse/gatehouse/join"
)

// What is little for a machine that serves.
const (
	littleSpace = 256 << 20
	fewFiles    = 4096
	soon        = 14 * 24 * time.Hour
)

// envoyBinary looks for the Envoy that this version is built for.
func (o *doctorOptions) envoyBinary(ctx context.Context) {
	binary, err := findEnvoy(o.env)
	if err != nil {
		o.note("envoy", worth, "no Envoy on this machine", fmt.Sprintf("needed where an Envoy runs, and by \"gatehouse up\": install Envoy %s, or name it by %s", envoy.Version(), envoy.VariableBinary))
		return
	}
	switch err := envoy.CheckVersion(ctx, binary); {
	case errors.Is(err, envoy.ErrVersion):
		o.note("envoy", worth, err.Error(), fmt.Sprintf("Envoys from %s on are served; %s is what Gatehouse is tested with", envoy.Oldest, envoy.Version()))
	case err != nil:
		o.note("envoy", broken, err.Error(), "install Envoy "+envoy.Version()+" anew")
	default:
		o.fine("envoy", "%s, version %s", binary, envoy.Version())
	}
}

// stateDirectory looks at the directory of the sockets and of the store.
func (o *doctorOptions) stateDirectory() {
	dir := o.daemon.state
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		o.note("state directory", worth, dir+" is not there", "\"gatehouse serve\" makes it; --state names another")
		return
	case err != nil:
		o.note("state directory", broken, err.Error(), "run this as the daemon's user, or as root")
		return
	case !info.IsDir():
		o.note("state directory", broken, dir+" is no directory", "name another one by --state")
		return
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		o.note("state directory", broken, fmt.Sprintf("others may write to %s (mode %04o), and replace the sockets", dir, mode), "chmod 0700 "+dir)
	} else {
		o.fine("state directory", "%s, mode %04o", dir, mode)
	}
	if longest := filepath.Join(dir, "accesslog.sock"); len(longest) > socket.PathMax {
		o.note("state directory", broken, fmt.Sprintf("the path of a socket in it has %d bytes, and %d are possible", len(longest), socket.PathMax), "choose a shorter path by --state")
	}
	o.disk(dir)
}

// disk looks at the file system of a directory.
func (o *doctorOptions) disk(dir string) {
	var fsys unix.Statfs_t
	if err := unix.Statfs(dir, &fsys); err != nil {
		o.note("disk", worth, err.Error(), "look at the file system of "+dir)
		return
	}
	free := uint64(fsys.Bavail) * uint64(fsys.Bsize) //nolint:gosec,unconvert // The types differ between systems; both are positive.
	switch {
	case free < littleSpace:
		o.note("disk", broken, fmt.Sprintf("%d MiB are free for %s", free>>20, dir), "make room: a full disk refuses every change")
	case inMemory(&fsys):
		o.note("disk", worth, dir+" is in memory: the history and the authority's key are gone after a restart of the machine", "name a directory on a disk by --state, such as /var/lib/gatehouse")
	default:
		o.fine("disk", "%d MiB are free for %s", free>>20, dir)
	}
}

// limits looks at what the system grants a process.
func (o *doctorOptions) limits() {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		o.note("open files", worth, err.Error(), "look at \"ulimit -n\"")
		return
	}
	if files.Max < fewFiles {
		o.note("open files", worth, fmt.Sprintf("a process may open %d files", files.Max), "an Envoy needs one for each connection: raise LimitNOFILE of its service")
		return
	}
	o.fine("open files", "a process may open %d", files.Max)
}

// nodeCertificate looks at what an Envoy of another host joined with.
func (o *doctorOptions) nodeCertificate() {
	const check = "node certificate"
	kept, err := join.ReadKept(o.node)
	if err != nil {
		o.note(check, broken, err.Error(), "join anew: \"gatehouse nodes join\"")
		return
	}
	place := join.Place{Settings: envoy.Settings{Dir: o.node}}
	expires, err := place.Expires()
	if err != nil {
		o.note(check, broken, err.Error(), "join anew: \"gatehouse nodes join\"")
		return
	}
	due, err := place.Due()
	until, now := expires.UTC().Format(time.RFC3339), o.env.now()
	switch {
	case err != nil:
		o.note(check, broken, err.Error(), "join anew: \"gatehouse nodes join\"")
	case now.After(expires):
		o.note(check, broken, "it expired at "+until, "\"gatehouse nodes renew --once\", or join anew; is \"gatehouse nodes renew\" running, and this machine's clock right?")
	case now.After(due.Add(expires.Sub(due) / 2)):
		o.note(check, worth, "it is overdue for renewal, and expires at "+until, "is \"gatehouse nodes renew\" running, and does "+kept.Server+" answer?")
	default:
		o.fine(check, "%s/%s, until %s", kept.Fleet, kept.Node, until)
	}
}

// bindable reports whether nobody listens on an address.
func bindable(ctx context.Context, address string) bool {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return false
	}
	return l.Close() == nil
}
