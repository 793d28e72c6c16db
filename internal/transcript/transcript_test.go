package transcript

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	t.Parallel()
	page := "# Try\n\n$ not-a-command\n\n```console\n$ one --flag \\\n  more\nanswer\n\nmore of it\n$ two\n```\n\n```sh\n$ other block\n```\n```console\n$ three\r\nyes\r\n```\n"
	want := []Step{
		{Command: "one --flag \\\n  more", Answer: "answer\n\nmore of it\n"},
		{Command: "two"},
		{Command: "three", Answer: "yes\n"},
	}
	if diff := cmp.Diff(want, Parse(page)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, answer, answered string
		want                   bool
	}{
		{"the same", "HTTP/1.1 200 OK\n", "HTTP/1.1 200 OK\r\n\r\n", true},
		{"nothing said", "", "anything", true},
		{"any text", "date: ...\nbody (x)", "date: Mon, 23 Nov\nbody (x)", true},
		{"any text ends with its line", "a ... d", "a b\nc d", false},
		{"any lines", "HTTP/1.1 200 OK\n...\nbody", "HTTP/1.1 200 OK\r\nx: y\r\n\r\nbody", true},
		{"other text", "200", "403", false},
		{"more behind", "200", "2000", false},
		{"a line too much", "200\n200", "200\n200\n200", false},
		{"not a pattern", "a.c", "abc", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := (Step{Answer: tt.answer}).Matches(tt.answered); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
