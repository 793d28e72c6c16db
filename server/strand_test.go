package server

import (
	"testing"
	"time"
)

// TestStrandedReplicaReleases follows a replica that loses the store for an hour and finds it again.
func TestStrandedReplicaReleases(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	var s strand
	var got []time.Duration
	for at := time.Duration(0); at <= time.Hour; at += 2 * time.Second {
		if s.release(began.Add(at), at > 0) {
			got = append(got, at)
		}
	}
	want := []time.Duration{32, 92, 212, 452, 932, 1532, 2132, 2732, 3332}
	for i := range want {
		want[i] *= time.Second
	}
	if len(got) != len(want) {
		t.Fatalf("Envoys are let go after %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("the %d. time Envoys are let go after %v, want %v", i+1, got[i], want[i])
		}
	}
	if s.release(began.Add(2*time.Hour), false) || s.release(began.Add(2*time.Hour+time.Second), true) {
		t.Error("with the store back, Envoys are let go at once")
	}
}
