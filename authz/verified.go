package authz

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/maypok86/otter/v2"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
)

// errNotOne ends a walk: something is not written out.
var errNotOne = errors.New("not written out")

const (
	// tokenCache is OPA's name of the cache of tokens whose signature policies verified.
	tokenCache = "io_jwt"
	// verifiedBytes bounds what all remembered tokens take, about.
	verifiedBytes = 16 << 20
	// longestToken is the size in bytes of the longest token that is remembered.
	longestToken = 4 << 10
)

// verified remembers tokens whose signature a policy verified, and what they say: until when they hold, for whom they are and by whom is
// judged each time. OPA's own cache is off, and rightly: a token is found there by its key alone, also where another call asks for
// another algorithm. So each policy has tokens of its own, and only one that verifies at a single place, by one algorithm.
type verified struct {
	tokens *otter.Cache[[sha256.Size]byte, verifiedOne]
}

// verifiedOne is what OPA keeps of a token.
type verifiedOne struct {
	entry  any
	weight uint32
}

func newVerified() verified {
	return verified{otter.Must(&otter.Options[[sha256.Size]byte, verifiedOne]{
		MaximumWeight: verifiedBytes,
		Weigher:       func(_ [sha256.Size]byte, v verifiedOne) uint32 { return v.weight },
	})}
}

// valuesOf are the caches of one policy: those of all policies, and tokens of its own.
type valuesOf struct {
	cache.InterQueryValueCache
	of    verified
	scope string // Tells the policy from all others.
}

// GetCache returns a cache by OPA's name for it.
func (v valuesOf) GetCache(name string) cache.InterQueryValueCacheBucket {
	if name == tokenCache {
		return tokensOf(v)
	}
	return v.InterQueryValueCache.GetCache(name)
}

// tokensOf are the tokens that a policy verified. Their names are OPA's: a list of the token and of what it was verified by.
type tokensOf valuesOf

// Get returns what is remembered of a token.
func (t tokensOf) Get(name ast.Value) (any, bool) {
	key, _, ok := t.key(name)
	if !ok {
		return nil, false
	}
	found, ok := t.of.tokens.GetIfPresent(key)
	return found.entry, ok
}

// Insert remembers a token. Nothing is said of what is forgotten for it.
func (t tokensOf) Insert(name ast.Value, entry any) int {
	if key, size, ok := t.key(name); ok {
		t.of.tokens.Set(key, verifiedOne{entry, uint32(1<<10 + 4*size)}) //nolint:gosec // At most longestToken.
	}
	return 0
}

// Delete forgets a token.
func (t tokensOf) Delete(name ast.Value) {
	if key, _, ok := t.key(name); ok {
		t.of.tokens.Invalidate(key)
	}
}

// key returns what a token is remembered under, and its size.
func (t tokensOf) key(name ast.Value) (key [sha256.Size]byte, size int, ok bool) {
	list, ok := name.(*ast.Array)
	if !ok || list.Len() != 2 {
		return key, 0, false
	}
	token, ok := list.Elem(0).Value.(ast.String)
	if !ok || len(token) > longestToken {
		return key, 0, false
	}
	by := list.Elem(1).Value.String()
	text := make([]byte, 0, len(t.scope)+8+len(token)+len(by))
	text = append(text, t.scope...)
	text = binary.BigEndian.AppendUint64(text, uint64(len(token)))
	text = append(append(text, token...), by...)
	return sha256.Sum256(text), len(token), true
}

// tokenScope returns what tells a policy's tokens from those of others; empty for one whose tokens are verified anew each time.
func tokenScope(modules map[string]*ast.Module) string {
	calls, one := 0, false
	for _, module := range modules {
		ast.WalkTerms(module, func(t *ast.Term) bool {
			if call, ok := t.Value.(ast.Call); ok && verifies(call[0]) {
				calls, one = calls+1, byOneAlgorithm(call)
			}
			return false
		})
		ast.WalkExprs(module, func(e *ast.Expr) bool {
			if terms, ok := e.Terms.([]*ast.Term); ok && verifies(terms[0]) {
				calls, one = calls+1, byOneAlgorithm(terms)
			}
			return false
		})
	}
	if calls != 1 || !one {
		return ""
	}
	return rand.Text()
}

// verifies reports whether a function verifies a token and keeps what it found.
func verifies(function *ast.Term) bool {
	ref, ok := function.Value.(ast.Ref)
	return ok && (ref.String() == ast.JWTDecodeVerify.Name || strings.HasPrefix(ref.String(), "io.jwt.verify_"))
}

// byOneAlgorithm reports whether a call verifies by the same algorithm each time: by its name, or as its constraints say in plain text.
func byOneAlgorithm(call []*ast.Term) bool {
	if call[0].Value.String() != ast.JWTDecodeVerify.Name {
		return true
	}
	if len(call) < 3 {
		return false
	}
	constraints, ok := call[2].Value.(ast.Object)
	if !ok {
		return false
	}
	return constraints.Iter(func(name, value *ast.Term) error {
		if text, ok := name.Value.(ast.String); !ok || text == "alg" && !isText(value) {
			return errNotOne
		}
		return nil
	}) == nil
}

func isText(t *ast.Term) bool {
	_, ok := t.Value.(ast.String)
	return ok
}
