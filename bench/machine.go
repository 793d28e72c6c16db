package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/envoy"
)

// machine says in one line where and when the figures were measured, and how busy the machine was before.
func machine() string {
	busy := ""
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 0 {
			busy = ", load before the run " + fields[0]
		}
	}
	return fmt.Sprintf("%s: %d cores of %s, %s/%s, %s, Envoy %s%s", time.Now().Format(time.DateOnly), runtime.NumCPU(), model(),
		runtime.GOOS, runtime.GOARCH, runtime.Version(), envoy.Version(), busy)
}

// model returns what the processor calls itself.
func model() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "an unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "an unknown processor"
}

// tick is the unit in which Linux counts the CPU time of processes for programs to read (proc_pid_stat(5), sysconf(3)).
const tick = 10 * time.Millisecond

// cpuOf returns the CPU time that each process has used since it started, all its threads together.
func cpuOf(pids []int) ([]time.Duration, error) {
	used := make([]time.Duration, len(pids))
	for i, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return nil, fmt.Errorf("read the CPU time of a process: %w", err)
		}
		if used[i], err = parseStat(text); err != nil {
			return nil, err
		}
	}
	return used, nil
}

// parseStat reads utime and stime, the 14th and 15th field. The second is the program's name, which may hold anything.
func parseStat(text []byte) (time.Duration, error) {
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, errors.New("read the CPU time of a process: the line is too short")
	}
	var sum int64
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read the CPU time of a process: %w", err)
		}
		sum += ticks
	}
	return time.Duration(sum) * tick, nil
}
