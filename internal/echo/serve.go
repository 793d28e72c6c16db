package echo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// How long a client may take, and how long a stop waits for requests that are under way.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = time.Minute
	writeTimeout  = DelayMax + time.Minute
	idleTimeout   = 2 * time.Minute
	stopTimeout   = 5 * time.Second
)

// Serve answers on a listener, which it closes, until ctx ends: then it refuses new connections and gives requests under
// way five seconds. What goes wrong on single connections is logged. The error is nil after a stop in good order.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Handler:           handler,
		Protocols:         &protocols,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	stopped := make(chan error, 1)
	release := context.AfterFunc(ctx, func() { stopped <- stop(server) })
	err := server.Serve(listener)
	if release() { // ctx has not ended: the listener failed
		return fmt.Errorf("echo: %w", err)
	}
	if err := <-stopped; err != nil {
		return fmt.Errorf("stop echo: %w", err)
	}
	return nil
}

// stop lets requests under way finish, and cuts off those that take too long.
func stop(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.Join(errors.New("requests under way were cut off"), server.Close())
	}
	return err
}
