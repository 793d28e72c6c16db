package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gatehouse/gatehouse/internal/heap"
)

// service is what a child runs.
type service struct {
	addresses map[string]string
	stop      func(context.Context) error
	answer    func(question string) (string, error) // What only this kind of child is asked; nil: nothing.
}

// serveChild runs one child until its standard input ends, and returns the exit code.
func serveChild(args []string) int {
	if slices.Contains([]string{"gatehouse", "ratelimit", "empty", "pusher"}, args[0]) {
		defer heap.Begin(os.LookupEnv).Stop() // As the daemon does; its floors too.
	}
	s, err := newService(args)
	first := hello{}
	if err != nil {
		first.Error = err.Error()
	} else {
		first.Addresses = s.addresses
	}
	if err := json.NewEncoder(os.Stdout).Encode(first); err != nil || first.Error != "" {
		return 1
	}
	s.answerQuestions(os.Stdin, os.Stdout)
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit/2)
	defer cancel()
	if err := s.stop(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", args[0]+":", err)
		return 1
	}
	return 0
}

func newService(args []string) (*service, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	switch {
	case len(args) == 2 && args[0] == "empty":
		return newEmpty(ctx, args[1])
	case len(args) == 3 && args[0] == "gatehouse":
		return newGatehouse(ctx, args[1], args[2], "", log)
	case len(args) == 4 && args[0] == "gatehouse":
		return newGatehouse(ctx, args[1], args[2], args[3], log)
	case len(args) == 3 && args[0] == "ratelimit":
		return newLimitsAlone(ctx, args[1], args[2], log)
	case len(args) == 1 && args[0] == "backends":
		return newBackends(ctx, log)
	case len(args) == 2 && args[0] == "loader":
		return newLoader(args[1]), nil
	case len(args) == 2 && args[0] == "envoys":
		return newEnvoys(args[1]), nil
	case len(args) == 3 && args[0] == "pusher":
		return newPusher(ctx, args[1], args[2])
	}
	return nil, fmt.Errorf("there is no child %q", args)
}

// answerQuestions answers each line that it reads by one line.
func (s *service) answerQuestions(in io.Reader, out io.Writer) {
	var profile *os.File
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var answer string
		var err error
		switch word, path, _ := strings.Cut(lines.Text(), " "); {
		case word == "cpu":
			answer, err = ownCPU()
		case word == "memory":
			answer, err = ownMemory()
		case word == "profile" && path != "":
			profile, err = startProfile(path)
		case word == "profile" && profile != nil:
			pprof.StopCPUProfile()
			err = profile.Close()
		case s.answer != nil:
			answer, err = s.answer(lines.Text())
		default:
			err = errors.New("what is " + lines.Text() + "?")
		}
		if err != nil {
			answer = "error " + err.Error()
		}
		fmt.Fprintln(out, answer)
	}
}

func startProfile(path string) (*os.File, error) {
	file, err := os.Create(path) //nolint:gosec // Whoever runs the benchmark named it.
	if err != nil {
		return nil, err
	}
	return file, pprof.StartCPUProfile(file)
}

// ownMemory returns the most bytes that this process has held.
func ownMemory() (string, error) {
	held, err := peakMemory()
	return strconv.FormatInt(held, 10), err
}

// ownCPU returns the CPU time of this process.
func ownCPU() (string, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return "", fmt.Errorf("getrusage: %w", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).String(), nil
}
