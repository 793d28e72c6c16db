package redis

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"strings"
	"sync/atomic"

	"github.com/redis/rueidis"
)

//go:embed windows.lua
var windowsScript string

//go:embed spend.lua
var spendScript string

// script is what the server runs. Where it takes functions (Redis 7, Valkey) it is one: then its parts are built when it is taken
// in, and not again in each run, which is half of what a small batch costs the server. Elsewhere it is sent as a script.
type script struct {
	library string // With its functions; taken in under a name that no other text has, as replicas of two versions share a server.
	name    string
	lua     *rueidis.Lua
	plain   atomic.Bool // The server takes no functions.
}

func newScript() *script {
	text := windowsScript + spendScript
	sum := sha256.Sum256([]byte(text))
	name := "gatehouse_" + hex.EncodeToString(sum[:8])
	return &script{
		name: name, library: "#!lua name=" + name + "\n" + text + "redis.register_function('" + name + "', run)\n",
		lua: rueidis.NewLuaScript(text + "return run(KEYS, ARGV)\n"),
	}
}

// renew has the next run try functions again: another server may be there.
func (s *script) renew() { s.plain.Store(false) }

// run runs it once. A server that does not know the function has run nothing: it is told of it, and asked again.
func (s *script) run(ctx context.Context, client rueidis.Client, keys, args []string) rueidis.RedisResult {
	if s.plain.Load() {
		return s.lua.Exec(ctx, client, keys, args)
	}
	result := s.call(ctx, client, keys, args)
	if !lacksFunction(result.Error()) {
		return result
	}
	err := client.Do(ctx, client.B().FunctionLoad().Replace().FunctionCode(s.library).Build()).Error()
	if err == nil {
		if result = s.call(ctx, client, keys, args); !lacksFunction(result.Error()) {
			return result
		}
		err = result.Error()
	}
	if _, answered := rueidis.IsRedisErr(err); answered {
		s.plain.Store(true)
	}
	return s.lua.Exec(ctx, client, keys, args)
}

func (s *script) call(ctx context.Context, client rueidis.Client, keys, args []string) rueidis.RedisResult {
	return client.Do(ctx, client.B().Fcall().Function(s.name).Numkeys(int64(len(keys))).Key(keys...).Arg(args...).Build())
}

// lacksFunction reports whether a server says that it does not know the function, or no functions at all, or that this caller may not
// ask for one. In none of these cases anything was run.
func lacksFunction(err error) bool {
	said, ok := rueidis.IsRedisErr(err)
	if !ok {
		return false
	}
	text := said.Error()
	return strings.Contains(text, "Function not found") || strings.Contains(text, "unknown command") || strings.HasPrefix(text, "NOPERM")
}
