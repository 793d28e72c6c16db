package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// connections is how many clients wrk plays.
const connections = 32

// wrk loads a URL for a while, from another process.
func (b *bench) wrk(ctx context.Context, binary, url, token string, span time.Duration) (sample, error) {
	seconds := max(1, int(span.Seconds()))
	args := []string{"-t1", fmt.Sprintf("-c%d", connections), fmt.Sprintf("-d%ds", seconds)}
	if token != "" {
		args = append(args, "-H", "authorization: "+token)
	}
	ctx, cancel := context.WithTimeout(ctx, span+stopLimit)
	defer cancel()
	command := exec.CommandContext(ctx, binary, append(args, url)...) //nolint:gosec // What program.Find found.
	command.SysProcAttr = childAttributes()
	command.WaitDelay = time.Second
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	ended, err := attend(command)
	if err == nil {
		err = <-ended
	}
	if err != nil {
		return sample{}, fmt.Errorf("wrk: %w: %s", err, problems.Bytes())
	}
	return parseWrk(out.Bytes())
}

// parseWrk reads the report of wrk 4. An answer that is not 200 to 399, or none, makes it worthless.
func parseWrk(report []byte) (sample, error) {
	for _, bad := range []string{"Non-2xx or 3xx responses", "Socket errors"} {
		if at := bytes.Index(report, []byte(bad)); at >= 0 {
			line, _, _ := bytes.Cut(report[at:], []byte("\n"))
			return sample{}, fmt.Errorf("wrk: %s", line)
		}
	}
	// As in "20493 requests in 2.00s, 23.45MB read".
	found := regexp.MustCompile(`(\d+) requests in ([0-9.]+)(us|ms|s|m)\b`).FindSubmatch(report)
	if found == nil {
		return sample{}, errors.New("wrk: its report holds no number of requests")
	}
	requests, err := strconv.Atoi(string(found[1]))
	if err != nil {
		return sample{}, fmt.Errorf("wrk: %w", err)
	}
	took, err := time.ParseDuration(string(found[2]) + string(found[3]))
	if err != nil {
		return sample{}, fmt.Errorf("wrk: %w", err)
	}
	return sample{requests: requests, took: took}, nil
}

// loadOf returns the subject that loads a URL and counts the CPU time of processes.
func (b *bench) loadOf(binary, name, url, token string, pids ...int) subject {
	return subject{name, func(ctx context.Context, span time.Duration) (sample, error) {
		before, err := cpuOf(pids)
		if err != nil {
			return sample{}, err
		}
		s, err := b.wrk(ctx, binary, url, token, span)
		if err != nil {
			return sample{}, err
		}
		after, err := cpuOf(pids)
		if err != nil {
			return sample{}, err
		}
		for i := range pids {
			s.part = after[i] - before[i]
			s.cpu += s.part
		}
		return s, nil
	}}
}
