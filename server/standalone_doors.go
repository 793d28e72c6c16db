package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/socket"
)

// bindOutside listens where somebody else's Envoys come to: unlike the daemon's own doors also where other hosts reach, as in a pod or
// a compose file only that may lead there. It says so.
func bindOutside(ctx context.Context, address string, logger *slog.Logger) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, envoy.SocketScheme); ok {
		if strings.HasPrefix(path, "@") { // Of Linux, without a file.
			return new(net.ListenConfig).Listen(ctx, "unix", path)
		}
		return socket.Listen(ctx, path)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	if bound, ok := l.Addr().(*net.TCPAddr); ok && !bound.IP.IsLoopback() {
		logger.Warn("address can be reached from other hosts, and nothing there proves who asks", "address", bound.String())
	}
	return l, nil
}

// webDoor serves HTTP.
type webDoor struct {
	listener net.Listener
	addr     string
	server   *http.Server
	logger   *slog.Logger
}

// webLimit bounds a request.
const webLimit = 10 * time.Second

func newWebDoor(l net.Listener, handler http.Handler, logger *slog.Logger) *webDoor {
	return &webDoor{listener: l, addr: listenedAt(l), logger: logger, server: &http.Server{
		Handler: handler, ReadTimeout: webLimit, WriteTimeout: webLimit, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}}
}

// diagnostics answers /health and /metrics.
func diagnostics(registry *prometheus.Registry, ready func() error) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry}))
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := ready(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte("{}\n")) // Whoever asked is gone, or has it.
	})
	return mux
}

func (d *webDoor) serve() {
	if err := d.server.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
		d.logger.Error("http door ended", "address", d.addr, "error", err)
	}
}

func (d *webDoor) stop(ctx context.Context) error {
	if err := d.server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("http on %s: %w", d.addr, err), d.server.Close())
	}
	return nil
}

// registerStandalone adds the metrics of a Standalone: Gatehouse's own, and the plugin's histogram where it is asked for.
func (s *Standalone) registerStandalone() {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("gatehouse_"+name, help, labels, nil)
	}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &standaloneMetrics{
		standalone: s,
		decisions:  desc("authorization_decisions_total", "Authorization decisions.", "result"),
		errors:     desc("policy_errors_total", "Policy evaluations without a usable answer; they are denied.", "kind"),
		dropped:    desc("decision_log_dropped_total", "Decisions that are in no decision log, as there was no room or no sense in them."),
		bundles:    desc("bundles_failing", "Bundles whose last update failed."),
		ready:      desc("ready", "1 when there are policies to answer by."),
	})
	p := s.config.Plugins.Envoy
	if !p.Metrics {
		return
	}
	buckets := p.Buckets
	if len(buckets) == 0 {
		buckets = []float64{1e-6, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 3e-3, 5e-3, 0.1, 1}
	}
	s.duration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "grpc_request_duration_seconds", Help: "Time to answer a Check, by the name that opa-envoy-plugin gives it.", Buckets: buckets,
	}, []string{"handler"})
	s.registry.MustRegister(s.duration)
}

// measure notes how long a Check takes.
func (s *Standalone) measure(ctx context.Context, call any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if !strings.HasSuffix(info.FullMethod, "Authorization/Check") {
		return next(ctx, call)
	}
	began := time.Now()
	answer, err := next(ctx, call)
	s.duration.WithLabelValues("check").Observe(time.Since(began).Seconds())
	return answer, err
}

// standaloneMetrics reads the counters of a Standalone when Prometheus asks.
type standaloneMetrics struct {
	standalone *Standalone

	decisions, errors, dropped, bundles, ready *prometheus.Desc
}

// Describe tells Prometheus what there is.
func (m *standaloneMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.decisions, m.errors, m.dropped, m.bundles, m.ready} {
		out <- d
	}
}

// Collect reads the counters.
func (m *standaloneMetrics) Collect(out chan<- prometheus.Metric) {
	s := m.standalone
	counts := s.service.Counts()
	for _, d := range counts.Decisions {
		counter(out, m.decisions, d.Count, d.Result.String())
	}
	for _, e := range []struct {
		kind  string
		count uint64
	}{{"undefined", counts.Undefined}, {"timeout", counts.Timeouts}, {"error", counts.Errors}, {"panic", counts.Panics}} {
		counter(out, m.errors, e.count, e.kind)
	}
	if s.log != nil {
		counter(out, m.dropped, uint64(max(0, s.log.Dropped())))
	}
	gauge(out, m.bundles, float64(s.pieces.failing()))
	ready := 0.0
	if s.service.Ready() {
		ready = 1
	}
	gauge(out, m.ready, ready)
}
