package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/analytics"
	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/xds"
)

// loaded is how long each part of loading a directory took.
type loaded struct {
	Load, Assemble, Authz, RateLimit, Analytics, XDS time.Duration
	Whole                                            time.Duration

	Routes int
	Peak   int64 // Bytes of memory that the process has held at most so far.
}

// loader loads a directory as the daemon does, again and again.
type loader struct {
	dir       string
	memory    config.Memory
	revision  *gateway.Revision
	authz     *authz.Table
	reducer   *authz.Reducer
	ratelimit *ratelimit.Table
	analytics *analytics.Table
	xds       *xds.Table
}

// newLoader returns a child that loads when it is asked to.
func newLoader(dir string) *service {
	l := &loader{dir: dir, reducer: authz.NewReducer()}
	return &service{
		stop: func(context.Context) error { return nil },
		answer: func(question string) (string, error) {
			var result loaded
			var err error
			switch question {
			case "load":
				result, err = l.load()
			case "parse":
				result, err = l.parse()
			default:
				err = fmt.Errorf("what is %s?", question)
			}
			if err != nil {
				return "", err
			}
			text, err := json.Marshal(result)
			return string(text), err
		},
	}
}

// load loads and compiles everything, and takes over from the time before what has not changed.
func (l *loader) load() (loaded, error) {
	var out loaded
	var faults gateway.Faults
	start := time.Now()
	lap := func(part *time.Duration) {
		*part = time.Since(start) - out.Whole
		out.Whole += *part
	}
	docs, found := config.Load(l.dir, config.Options{LookupEnv: os.LookupEnv, Memory: &l.memory})
	faults = append(faults, found...)
	lap(&out.Load)
	rev, found := gateway.AssembleAfter(docs, l.revision, l.reducer.Reduce)
	l.revision = rev
	faults = append(faults, found...)
	lap(&out.Assemble)
	var more []gateway.Fault
	l.authz, more = authz.Compile(rev, l.authz)
	faults = append(faults, more...)
	lap(&out.Authz)
	l.ratelimit, more = ratelimit.Compile(rev, l.ratelimit)
	faults = append(faults, more...)
	lap(&out.RateLimit)
	l.analytics, more = analytics.Compile(rev, l.analytics)
	faults = append(faults, more...)
	lap(&out.Analytics)
	l.xds, more = xds.Compile(rev, nil, l.xds)
	faults = append(faults, more...)
	lap(&out.XDS)
	if len(faults) > 0 {
		return out, faults
	}
	out.Routes = len(rev.Routes)
	peak, err := peakMemory()
	out.Peak = peak
	return out, err
}

// parse is the floor: the same files read, and those in YAML parsed by the library that Gatehouse uses, with nothing done with
// what is in them.
func (l *loader) parse() (loaded, error) {
	var out loaded
	start := time.Now()
	err := filepath.WalkDir(l.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !strings.HasSuffix(path, ".yaml") {
			return err
		}
		documents, err := yaml.NewLoader(strings.NewReader(string(text)))
		if err != nil {
			return err
		}
		for {
			var node yaml.Node
			if err := documents.Load(&node); err != nil {
				break
			}
		}
		return nil
	})
	out.Whole = time.Since(start)
	if err != nil {
		return out, err
	}
	out.Peak, err = peakMemory()
	return out, err
}

// peakMemory returns the most bytes that this process has held so far (getrusage(2)).
func peakMemory() (int64, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	if runtime.GOOS == "linux" {
		return usage.Maxrss << 10, nil
	}
	return usage.Maxrss, nil
}
