package jsontext_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/internal/jsontext"
)

func FuzzString(f *testing.F) {
	for _, seed := range []string{"", "plain", `quo"te\`, "line\nfeed\r\t\x00\x1f", "größe \U0001F600", "\xff\xfe", "a\xc3", "\u2028"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		written := jsontext.String([]byte("x"), text)
		var read string
		if err := json.Unmarshal(written[1:], &read); err != nil {
			t.Fatalf("%q is no JSON: %v", written, err)
		}
		if want := strings.ToValidUTF8(replaced(text), "\uFFFD"); read != want {
			t.Errorf("%q was read as %q", text, read)
		}
	})
}

// replaced has one U+FFFD for each byte that is no UTF-8.
func replaced(text string) string {
	var b strings.Builder
	for _, r := range text {
		b.WriteRune(r)
	}
	return b.String()
}

func TestMembers(t *testing.T) {
	t.Parallel()
	to := []byte("{")
	to = jsontext.Text(to, "empty", "")
	to = jsontext.Text(to, "name", "a")
	to = jsontext.Int(to, "zero", 0)
	to = jsontext.Int(to, "count", -7)
	to = jsontext.Texts(to, "none", nil)
	to = jsontext.Texts(to, "list", []string{"b", "c"})
	if got, want := string(append(to, '}')), `{"name":"a","count":-7,"list":["b","c"]}`; got != want {
		t.Errorf("written %s, want %s", got, want)
	}
}
