package admin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
)

// door is what every request passes on its way to what it asks for: who calls, whether that is allowed, whether it still is
// about what the caller has seen, and the audit.
type door struct {
	options    *Options
	mux        *http.ServeMux
	operations map[string]operation
	hosts      []string // Names by which the API may be called over TCP, beside loopback.
	strangers  *allowance
	underway   underway
}

// ServeHTTP answers one request.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.contain(w, r, func() { d.enter(w, r) })
}

// contain answers what fails beyond all expectation: in general words to the caller, in full to the log.
func (d *door) contain(w http.ResponseWriter, r *http.Request, do func()) {
	defer func() {
		if failed := recover(); failed != nil {
			if d.options.Failed != nil {
				d.options.Failed()
			}
			d.options.Logger.Error("a request to the management API failed", "path", r.URL.Path, "error", failed, "stack", string(debug.Stack()))
			problem(w, http.StatusInternalServerError, "the daemon failed at this request; its log says more")
		}
	}()
	do()
}

// enter finds out what is asked for and by whom.
func (d *door) enter(w http.ResponseWriter, r *http.Request) {
	from := connectionOf(r.Context())
	if from.tcp() {
		if refused := d.foreign(r); refused != nil {
			_, pattern := d.mux.Handler(r)
			d.stranger(r, d.operations[pattern], refused)
			refused.write(w)
			return
		}
	}
	_, pattern := d.mux.Handler(r)
	op, known := d.operations[pattern]
	if op.public {
		d.mux.ServeHTTP(w, r)
		return
	}
	caller, refused := d.caller(r, from)
	if refused != nil {
		d.stranger(r, op, refused)
		refused.write(w)
		return
	}
	r = r.WithContext(WithCaller(r.Context(), caller))
	switch {
	case pattern == "":
		absent(w, r, d.mux)
	case !known:
		problem(w, http.StatusForbidden, "no rule knows what is served here")
	default:
		d.serve(w, r, op)
	}
}

// refusedRequest is why a request goes no further.
type refusedRequest struct {
	status int
	detail string
	header [2]string
}

func (r *refusedRequest) write(w http.ResponseWriter) {
	if r.header[0] != "" {
		w.Header().Set(r.header[0], r.header[1])
	}
	problem(w, r.status, r.detail)
}

// serve answers a request of a known caller.
func (d *door) serve(w http.ResponseWriter, r *http.Request, op operation) {
	asked, verdict, err := d.options.ask(r, op)
	switch {
	case err != nil:
		d.options.Logger.Error("not decided, and so refused", "operation", op.id, "error", err)
		(&refusedRequest{http.StatusServiceUnavailable, "whether this is allowed cannot be decided", soon()}).write(w)
		return
	case !verdict.Allow:
		if err := d.record(r, op, Record{Result: Denied, Status: http.StatusForbidden, Detail: verdict.Why}); err != nil {
			d.unrecorded(w, op, err)
			return
		}
		problem(w, http.StatusForbidden, denial(verdict))
		return
	}
	if name := op.hollow(r); name != "" {
		problem(w, http.StatusUnprocessableEntity, "the query says "+name+" with no value, or with several: give it one, or leave it out")
		return
	}
	r = r.WithContext(context.WithValue(r.Context(), questionKey{}, asked))
	switch {
	case op.changes:
		d.change(w, r, op)
	case op.plain:
		d.mux.ServeHTTP(w, d.lasting(r, op))
	default:
		d.bounded(w, r, op, func() { d.read(w, r) })
	}
}

// connection is what is known of a connection.
type connection struct {
	network string
	peer    Caller // On a Unix socket.
	err     error
}

func (c connection) tcp() bool { return c.network != "unix" }

// connectionKey is the key of a connection in a context.
type connectionKey struct{}

func connectionOf(ctx context.Context) connection {
	c, _ := ctx.Value(connectionKey{}).(connection)
	return c
}

// connected notes who is at the other end of a connection.
func (o *Options) connected(ctx context.Context, c net.Conn) context.Context {
	from := connection{network: c.LocalAddr().Network()}
	if !from.tcp() {
		from.peer, from.err = o.Callers.Peer(c)
		from.peer.From = "socket"
	}
	return context.WithValue(ctx, connectionKey{}, from)
}

// caller returns who calls.
func (d *door) caller(r *http.Request, from connection) (Caller, *refusedRequest) {
	if !from.tcp() {
		if from.err != nil {
			return Caller{}, &refusedRequest{status: http.StatusForbidden, detail: "this user may not use the management API: --socket-uid of \"gatehouse serve\" lets others in"}
		}
		return from.peer, nil
	}
	caller, err := d.proven(r)
	caller.From = r.RemoteAddr
	switch {
	case errors.Is(err, ErrAwayStore):
		return caller, &refusedRequest{http.StatusServiceUnavailable, "who calls cannot be said now: " + err.Error(), soon()}
	case errors.Is(err, ErrStranger):
		d.options.Logger.Warn("caller of the management API refused", "from", r.RemoteAddr, "reason", err)
		challenge := `Bearer realm="gatehouse"`
		if r.Header.Get("Authorization") != "" {
			challenge += `, error="invalid_token"` // RFC 6750, section 3.1.
		}
		return caller, &refusedRequest{http.StatusUnauthorized, "the management API's token is needed, as authorization: Bearer TOKEN", [2]string{"WWW-Authenticate", challenge}}
	case err != nil:
		d.options.Logger.Error("who calls the management API cannot be said", "from", r.RemoteAddr, "error", err)
		return caller, &refusedRequest{http.StatusServiceUnavailable, "who calls cannot be said now", soon()}
	}
	return caller, nil
}

// proven returns whom a request over TCP proves: by its token, else by the client's certificate.
func (d *door) proven(r *http.Request) (Caller, error) {
	if given := r.Header.Values("Authorization"); len(given) > 0 {
		scheme, token, _ := strings.Cut(given[0], " ")
		switch {
		case len(given) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "":
			return Caller{}, ErrStranger
		case same(d.options.Token, token):
			return Caller{Name: "token", Role: Admin}, nil
		}
		return d.options.Callers.Bearer(r.Context(), token)
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return d.options.Callers.Certificate(r.TLS.PeerCertificates[0])
	}
	return Caller{}, ErrStranger
}

// unrecorded refuses what cannot be put into the audit.
func (d *door) unrecorded(w http.ResponseWriter, op operation, err error) {
	d.options.Logger.Error("the audit cannot be written, and so this is refused", "operation", op.id, "error", err)
	(&refusedRequest{http.StatusServiceUnavailable, "the audit cannot be written, and nothing is done without it", soon()}).write(w)
}

// soon is the header of an answer that may be another one soon, in seconds.
func soon() [2]string { return [2]string{"Retry-After", "2"} }
