package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// sample is what one turn of one subject measured.
type sample struct {
	requests int
	took     time.Duration
	cpu      time.Duration // Of the processes under test.
	part     time.Duration // Of cpu, the last process's.
	slow     time.Duration // What one request in a hundred exceeded; 0: not known.
}

// rate is requests per second.
func (s sample) rate() float64 { return float64(s.requests) / s.took.Seconds() }

// time is microseconds for each request, where they are made one after the other.
func (s sample) time() float64 { return float64(s.took.Microseconds()) / float64(s.requests) }

// cost is microseconds of CPU time for each request.
func (s sample) cost() float64 { return float64(s.cpu.Microseconds()) / float64(s.requests) }

// slowest is slow, in microseconds.
func (s sample) slowest() float64 { return float64(s.slow.Nanoseconds()) / 1000 }

// partCost is that of the last process alone.
func (s sample) partCost() float64 { return float64(s.part.Microseconds()) / float64(s.requests) }

// subject is one of several things that are measured in turns.
type subject struct {
	name string
	turn func(ctx context.Context, span time.Duration) (sample, error)
}

// inTurns measures the subjects one after the other, again and again: A B A B. What else the machine does changes over
// seconds, so that neighbours are comparable where one long measurement after another is not. Each subject is warmed up first.
func inTurns(ctx context.Context, turns int, span time.Duration, subjects ...subject) ([][]sample, error) {
	out := make([][]sample, len(subjects))
	for turn := range turns + 1 {
		for i, s := range subjects {
			took, err := s.turn(ctx, lasting(turn, span))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			if took.requests == 0 {
				return nil, fmt.Errorf("%s: no request was answered", s.name)
			}
			if turn > 0 { // The first warms up.
				out[i] = append(out[i], took)
			}
		}
	}
	return out, nil
}

// lasting returns how long a turn takes: to warm up, a second will do.
func lasting(turn int, span time.Duration) time.Duration {
	if turn == 0 {
		return min(span, time.Second)
	}
	return span
}

// spread is the median of some values, and the lowest and the highest.
type spread struct{ median, low, high float64 }

func spreadOf(values []float64) spread {
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	return spread{(values[(n-1)/2] + values[n/2]) / 2, values[0], values[n-1]}
}

// of reads one property of each sample.
func of(samples []sample, property func(sample) float64) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = property(s)
	}
	return values
}

// ratios divides the values of each turn by those of the floor in the same turn.
func ratios(ours, floor []float64) []float64 {
	values := make([]float64, len(ours))
	for i := range ours {
		values[i] = ours[i] / floor[i]
	}
	return values
}
