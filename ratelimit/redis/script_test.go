package redis_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// TestScriptAndFunction counts on over a server that forgets its functions, over one that has none, as Redis 6, and over one where
// nobody may use them: with functions where they can be had, with a script elsewhere.
func TestScriptAndFunction(t *testing.T) {
	t.Parallel()
	w := limiter.Window{Limit: 4, Per: time.Hour}
	for name, c := range map[string]struct {
		with []string
		runs string
	}{
		"with functions":    {nil, "fcall"},
		"without functions": {[]string{"--rename-command", "FCALL", "", "--rename-command", "FUNCTION", ""}, "evalsha"},
		"not allowed":       {[]string{"--user", "default", "on", "nopass", "~*", "&*", "+@all", "-fcall"}, "evalsha"},
		"not to be brought": {[]string{"--user", "default", "on", "nopass", "~*", "&*", "+@all", "-function"}, "evalsha"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := needs.Redis(t, c.with...)
			s := open(t, server, "", patience)
			for i := range int64(4) {
				if ok, r := spend(t, s, "alice", w, 1); !ok || r.Remaining != 3-i {
					t.Fatalf("call %d: %t, %+v", i, ok, r)
				}
				if i == 1 {
					_ = exec.Command("redis-cli", "-s", server.Socket, "function", "flush").Run() //nolint:gosec // Of this test; where there are none, it fails.
					_ = exec.Command("redis-cli", "-s", server.Socket, "script", "flush").Run()   //nolint:gosec // As above.
				}
			}
			if ok, _ := spend(t, s, "alice", w, 1); ok {
				t.Error("one too many is admitted")
			}
			stats, err := exec.Command("redis-cli", "-s", server.Socket, "info", "commandstats").Output() //nolint:gosec // Of this test.
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(stats), "cmdstat_"+c.runs+":calls=") || c.runs == "fcall" && strings.Contains(string(stats), "cmdstat_evalsha") {
				t.Errorf("it is run by something else than %s:\n%s", c.runs, stats)
			}
		})
	}
}
