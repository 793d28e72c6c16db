package main

import (
	"bytes"
	"testing"
)

// TestScreenObeysNobody writes to a terminal what a hostile server, team or Envoy could have it show.
func TestScreenObeysNobody(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	everywhere := func(any) bool { return true }
	text := red + "deleted" + off + "\tü 漢\n" + "\x1b]0;title\a\x1b[2Jwiped\x1b[8m hidden\rover\x9b1mold\u202e\u0085\x00\n"
	if n, err := onScreen(&out, everywhere).Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	want := red + "deleted" + off + "\tü 漢\n" + "\ufffd]0;title\ufffd\ufffd[2Jwiped\ufffd[8m hidden\ufffdover\ufffd1mold\ufffd\ufffd\ufffd\n"
	if got := out.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	file := &bytes.Buffer{}
	if onScreen(file, func(any) bool { return false }) != file {
		t.Error("what is no terminal is not written to as it is")
	}
}
