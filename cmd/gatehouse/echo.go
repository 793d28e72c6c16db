package main

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/echo"
	"github.com/gatehouse/gatehouse/internal/socket"
)

// echoOptions are what `gatehouse echo` is told.
type echoOptions struct {
	env      surroundings
	address  string
	settings echo.Settings
	check    bool
}

// newEcho returns `gatehouse echo`.
func newEcho(env surroundings) *cobra.Command {
	o := echoOptions{env: env}
	c := &cobra.Command{
		Use:   "echo",
		Short: "Run a small backend that answers with what it received",
		Long: `Runs a backend for trying things out. It answers every request with JSON: method, path,
query, headers and body size as they arrived, and its own name. A request may choose its
answer by the headers x-echo-status, x-echo-delay and x-echo-size. HTTP/1.1 and HTTP/2
without TLS are served. With --check nothing is served: the backend at the address is
asked whether it answers.`,
		Example: `  gatehouse echo --address 127.0.0.1:9001 --name payments-1
  gatehouse echo --address 127.0.0.1:9002 --status 503 --delay 250ms`,
		Args: noWords,
	}
	f := c.Flags()
	f.StringVar(&o.address, "address", "127.0.0.1:9001", "`ADDRESS` to listen on: IP:port, or unix:/path")
	orEnvironment(f, "address", "GATEHOUSE_ECHO_ADDRESS")
	f.StringVar(&o.settings.Name, "name", "echo", "`NAME` by which it calls itself in its answers")
	orEnvironment(f, "name", "GATEHOUSE_ECHO_NAME")
	f.IntVar(&o.settings.Status, "status", 200, "`STATUS` of each answer")
	orEnvironment(f, "status", "GATEHOUSE_ECHO_STATUS")
	f.DurationVar(&o.settings.Delay, "delay", 0, "`DURATION` before each answer")
	orEnvironment(f, "delay", "GATEHOUSE_ECHO_DELAY")
	f.IntVar(&o.settings.Size, "size", 0, "`BYTES` of each answer, which is then plain text; 0: JSON")
	orEnvironment(f, "size", "GATEHOUSE_ECHO_SIZE")
	f.BoolVar(&o.check, "check", false, "ask the backend at the address whether it answers: exit code 0 or 1")
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c.Context()) }
	return c
}

func (o *echoOptions) run(ctx context.Context) error {
	network, address := "tcp", o.address
	if path, ok := strings.CutPrefix(o.address, envoy.SocketScheme); ok {
		network, address = "unix", path
	}
	if o.check {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		return echo.Check(ctx, network, address)
	}
	handler, err := echo.New(o.settings)
	if err != nil {
		return usageError{err}
	}
	l, err := listen(ctx, network, address)
	if err != nil {
		return err
	}
	where := envoy.SocketScheme + address
	if network == "tcp" {
		where = "http://" + l.Addr().String()
	}
	fmt.Fprintf(o.env.stderr, "%s answers at %s; Ctrl-C ends it\n", o.settings.Name, where)
	return echo.Serve(ctx, l, handler, newLogger(o.env.failures, "text", "warn"))
}

// listen listens at an address; a socket that a killed process left behind is replaced.
func listen(ctx context.Context, network, address string) (net.Listener, error) {
	if network == "unix" {
		return socket.Listen(ctx, address)
	}
	return new(net.ListenConfig).Listen(ctx, network, address)
}
