package server

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/authz/bundle"
	"github.com/gatehouse/gatehouse/gateway"
)

// Bench is a directory of documents on whose policies requests are tried. Nothing is served.
type Bench struct {
	revision *gateway.Revision
	authz    *authz.Table
}

// Bench compiles documents as serve would, with the Bundles that lie on this host. It reports every fault; Bench is nil if there is
// any.
func (w Work) Bench(lookup func(string) (string, bool)) (*Bench, gateway.Faults) {
	next, faults := w.compile(lookup)
	if len(faults) > 0 {
		return nil, faults.Sort()
	}
	if faults := w.bundles(next); len(faults) > 0 {
		return nil, faults.Sort()
	}
	return &Bench{next.revision, next.authz}, nil
}

// Replayer returns what takes recorded decisions again by these policies.
func (b *Bench) Replayer() *authz.Replayer { return b.authz.Replayer(b.revision) }

// bundles reads the Bundles that lie in directories; what a server has is not fetched.
func (w Work) bundles(next *compiled) gateway.Faults {
	var faults gateway.Faults
	for _, document := range next.revision.Bundles {
		if document.Path == "" {
			continue
		}
		at := document.Path
		if !filepath.IsAbs(at) {
			at = filepath.Join(w.Dir, filepath.FromSlash(at))
		}
		read, err := readBundle(document, at)
		if err == nil {
			err = next.authz.UseBundle(read)
		}
		if err != nil {
			faults = append(faults, gateway.Fault{
				Code: gateway.CodeFile, Place: document.Origin.At("directory"), Field: "directory",
				Object: gateway.Ref{Kind: gateway.KindBundle, Name: document.Name}, Message: fmt.Sprintf("the bundle cannot be used: %v", err),
			})
		}
	}
	return faults
}

// readBundle reads a bundle once, as the daemon does again and again.
func readBundle(document *gateway.Bundle, at string) (*bundle.Bundle, error) {
	fetched, err := bundle.Directory{Path: at, Limit: bundleLimit}.Fetch(context.Background(), "")
	if err != nil {
		return nil, err
	}
	return bundle.Read(fetched.Archive, bundleOptions(document))
}

// Policies returns the policies of the directory.
func (b *Bench) Policies() []*gateway.Policy { return b.revision.Policies }

// Find returns the route that a request takes, or an error that says why none does.
func (b *Bench) Find(f *authz.RequestFile) (*gateway.Route, error) {
	answer, err := Explain(b.revision, admin.Query{Method: f.Method, URL: f.URL, Headers: f.Headers})
	if err != nil {
		return nil, err
	}
	for _, r := range b.revision.Routes {
		if answer.Rules != "" && r.Rules == answer.Rules && r.Action == gateway.ActionForward {
			return r, nil
		}
	}
	return nil, fmt.Errorf("no operation takes the request: %s", answer.Why)
}

// Try asks every policy of a route about a request.
func (b *Bench) Try(ctx context.Context, r *gateway.Route, f *authz.RequestFile, trace bool) ([]authz.Trial, error) {
	return b.authz.Try(ctx, authz.Question{Route: r, Check: f.Attributes, Identity: f.Identity, Trace: trace})
}

// Measured is how fast decisions about one request were.
type Measured struct {
	Decisions int           `json:"decisions"`
	Status    int           `json:"status"` // What the caller would get; 200: the request goes on.
	P50       time.Duration `json:"p50_ns"`
	P99       time.Duration `json:"p99_ns"`
	Mean      time.Duration `json:"mean_ns"`
	Allocated uint64        `json:"allocations"` // For one decision.
	Bytes     uint64        `json:"bytes"`       // Of them.
}

// warmUp is how many decisions are taken before they are measured.
const warmUp = 100

// Measure decides a request again and again for a time, one decision after the other, as the daemon would: without Envoy, and without
// the way between the two.
func (b *Bench) Measure(ctx context.Context, r *gateway.Route, f *authz.RequestFile, length time.Duration) (Measured, error) {
	if !r.CallsAuthorization() {
		return Measured{}, fmt.Errorf("the route %s calls for no decision: Envoy serves it by itself", r.Name)
	}
	service := authz.New(authz.Options{Logger: slog.New(slog.DiscardHandler)})
	service.Use(b.authz)
	check := f.CheckOf(r.Rules)
	var out Measured
	decide := func() error {
		answer, err := service.Check(ctx, check)
		if err != nil {
			return err
		}
		if out.Status = 200; answer.GetDeniedResponse() != nil {
			out.Status = int(answer.GetDeniedResponse().GetStatus().GetCode())
		}
		return ctx.Err()
	}
	for range warmUp {
		if err := decide(); err != nil {
			return Measured{}, err
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var took []time.Duration
	for began := time.Now(); time.Since(began) < length; {
		start := time.Now()
		if err := decide(); err != nil {
			return Measured{}, err
		}
		took = append(took, time.Since(start))
	}
	runtime.ReadMemStats(&after)
	out.count(took)
	out.Allocated = (after.Mallocs - before.Mallocs) / uint64(len(took))
	out.Bytes = (after.TotalAlloc - before.TotalAlloc) / uint64(len(took))
	return out, nil
}

func (m *Measured) count(took []time.Duration) {
	slices.Sort(took)
	var all time.Duration
	for _, t := range took {
		all += t
	}
	m.Decisions = len(took)
	m.Mean, m.P50, m.P99 = all/time.Duration(len(took)), took[len(took)/2], took[len(took)*99/100]
}
