package authz_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/authz/keys"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/needs"
)

// loopPolicy goes on until it is stopped.
const loopPolicy = "package a\nr := numbers.range(1, 10000)\nallow if { some i in r; some j in r; i * j == -1 }"

// heldNow returns what the process holds once nothing is left to collect, in bytes.
func heldNow() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// crowd are requests of many kinds, and the status by which each is answered.
func crowd(t *testing.T) (service *authz.Service, checks []*authv3.CheckRequest, want []int) {
	t.Helper()
	loop := publicRoute("loop", loopPolicy)
	loop.Authorize[0].Policy.Limit = 2 * time.Millisecond
	service = newService(patient)
	service.Use(compiled(t, revision(loop, publicRoute("quick", "package a\nallow if count(input.parsed_body) == 2")), nil))
	add := func(rules, body string, headers map[string]string, status int) {
		check := envoyCheck(t, rules, "POST", "/payments/a", nil)
		check.Attributes.Request.Http.Headers["content-type"] = "application/json"
		maps.Copy(check.Attributes.Request.Http.Headers, headers)
		check.Attributes.Request.Http.Body = body
		checks, want = append(checks, check), append(want, status)
	}
	for range 90 {
		add("quick", `{"payee": "shop", "amount": 12}`, nil, 200)
	}
	add("quick", `{"payee": "shop", "amount": 12}`, map[string]string{"cookie": strings.Repeat("c", 64<<10)}, 200)
	add("quick", `{"payee": `, nil, 400)
	add("quick", "[1]", nil, 403)
	add("quick", `["`+strings.Repeat("x", 256<<10)+`", 1]`, nil, 200)
	add("nobody", "", nil, 503)
	add("loop", "", nil, 403)
	return service, checks, want
}

// TestTenThousandChecksAtOnce asks from 10,000 goroutines by a few connections, as Envoys do, with requests of every kind among
// them: each has its own answer, and afterwards neither goroutines nor memory are left.
func TestTenThousandChecksAtOnce(t *testing.T) {
	many := 10_000
	if raced {
		many = 1000
	}
	service, checks, want := crowd(t)
	socket := filepath.Join(needs.SocketDir(t), "authz.sock")
	serve(t, service, socket)
	var clients []authv3.AuthorizationClient
	for range 4 {
		conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		clients = append(clients, authv3.NewAuthorizationClient(conn))
	}
	round := func(count int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var group errgroup.Group
		for i := range count {
			group.Go(func() error {
				k := i % len(checks)
				response, err := clients[i%len(clients)].Check(ctx, checks[k], grpc.WaitForReady(true))
				if err != nil {
					return err
				}
				status := 200
				if d := response.GetDeniedResponse(); d != nil {
					status = int(d.GetStatus().GetCode())
				}
				if status != want[k] {
					return fmt.Errorf("kind %d answered %d, want %d: %s", k, status, want[k], response.GetDeniedResponse().GetBody())
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	round(len(checks)) // Makes what stays: connections, pools.
	goroutines, held := runtime.NumGoroutine(), heldNow()
	round(many)
	round(many)
	for end := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > goroutines+20 && time.Now().Before(end); {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > goroutines+20 {
		t.Errorf("%d goroutines, before %d", n, goroutines)
	}
	if now := heldNow(); now > held+48<<20 {
		t.Errorf("the process holds %d MiB, before %d MiB", now>>20, held>>20)
	}
	if counts := service.Counts(); counts.Panics > 0 || counts.Timeouts == 0 {
		t.Errorf("counted %+v", counts)
	}
}

// TestHugeRequests asks about bodies of 10 MiB and headers of 64 KiB, more than an Envoy sends of them: they are read whole or
// refused, in bounded time, and nothing of them stays.
func TestHugeRequests(t *testing.T) {
	body := publicRoute("body", "package a\nallow if count(input.parsed_body.items) > 1000")
	header := publicRoute("header", "package a\nallow if count(input.attributes.request.http.headers.cookie) == 65536")
	service := newService(patient)
	service.Use(compiled(t, revision(body, header), nil))
	const huge = 10 << 20
	for name, test := range map[string]struct {
		rules, kind, body string
		status            int
	}{
		"list":         {"body", "application/json", `{"items": [` + strings.Repeat("1,", huge/2) + "1]}", 200},
		"one text":     {"body", "application/json", `{"items": "` + strings.Repeat("x", huge) + `"}`, 200},
		"cut off":      {"body", "application/json", `{"items": [` + strings.Repeat("1,", huge/2), 400},
		"one number":   {"body", "application/json", `{"items": ` + strings.Repeat("1", huge) + "}", 400},
		"deep":         {"body", "application/json", strings.Repeat("[", huge), 400},
		"form":         {"body", "application/x-www-form-urlencoded", strings.Repeat("items=1&", huge/8), 200},
		"not read":     {"header", "application/json", strings.Repeat("[", huge), 200},
		"unknown kind": {"body", "application/octet-stream", strings.Repeat("\xff", huge), 403},
	} {
		t.Run(name, func(t *testing.T) {
			held := heldNow()
			check := envoyCheck(t, test.rules, "POST", "/payments/a", nil)
			check.Attributes.Request.Http.Headers["content-type"] = test.kind
			check.Attributes.Request.Http.Headers["cookie"] = strings.Repeat("c", 64<<10)
			check.Attributes.Request.Http.Body = test.body
			start := time.Now()
			if status, body := ask(t, service, check); status != test.status {
				t.Errorf("answered %d %.200s, want %d", status, body, test.status)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
			if now := heldNow(); now > held+32<<20 {
				t.Errorf("the process holds %d MiB, before %d MiB", now>>20, held>>20)
			}
		})
	}
}

// TestClockJumps sets the clock an hour ahead and back while keys and tokens are shown: what has ended by the clock is refused,
// nothing that is good stays refused once the clock is right, and no lock-out outlasts it.
func TestClockJumps(t *testing.T) {
	b := openBank(t, map[string][]gateway.Way{"key": {{byKey(gateway.KeyPlace{Header: "x-api-key"})}}})
	token := publicRoute("token", "package a\nallow if true")
	token.Public, token.Ways = false, []gateway.Way{{{Kind: gateway.ByIntrospection, Issuer: b.opaque()}}}
	tokens := &gateway.Revision{Routes: []*gateway.Route{token}, Policies: []*gateway.Policy{token.Authorize[0].Policy}}
	b.Use(compiled(t, tokens, nil))
	began := b.now.Load()
	good := b.key(t, func(r *keys.Row) { r.Expires = time.Unix(began+1800, 0) })
	shown := func(from, key string) int {
		status, _, _ := b.answer(t, call("key", from, "/", "x-api-key: "+key), "")
		return status
	}
	opaque := func() int {
		status, _, _ := b.answer(t, call("token", "192.0.2.1", "/", "authorization: Bearer "+goodToken), "")
		return status
	}
	expect := func(when string, key, token int) {
		t.Helper()
		if got := shown("192.0.2.1", good); got != key {
			t.Errorf("%s the key answered %d, want %d", when, got, key)
		}
		if got := opaque(); got != token {
			t.Errorf("%s the token answered %d, want %d", when, got, token)
		}
	}
	expect("at first", 200, 200)
	b.now.Add(3600)
	expect("an hour ahead", 401, 200)
	b.now.Store(began)
	expect("back again", 200, 200)
	attacker := "198.51.100.1"
	b.now.Add(3600)
	for range 20 {
		_, secret := keys.Fresh()
		shown(attacker, keys.Text(good[4:20], secret))
	}
	if got := shown(attacker, good); got != 429 {
		t.Errorf("who guessed is answered %d", got)
	}
	b.now.Store(began)
	if got := shown(attacker, good); got != 200 {
		t.Errorf("a lock of the time to come answered %d", got)
	}
	before := b.asked.Load()
	for range 100 {
		expect("in the end", 200, 200)
	}
	if asked := b.asked.Load() - before; asked > 1 {
		t.Errorf("the issuer was asked %d times about one token", asked)
	}
}
