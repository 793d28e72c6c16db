package config_test

import (
	"cmp"
	"encoding/json"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

// TestDumpIsTheSameConfiguration dumps every case and every example that has no faults: what is loaded from the dump is the same
// configuration, nothing differs between the two, and dumping it again brings the same bytes.
func TestDumpIsTheSameConfiguration(t *testing.T) {
	t.Parallel()
	dumped := 0
	for name, files := range allGood(t) {
		t.Run(name, func(t *testing.T) {
			docs, faults := config.LoadFS(files, config.Options{LookupEnv: environment})
			if len(faults) == 0 {
				checkDump(t, files, docs)
				dumped++
			}
		})
	}
	if dumped < 6 {
		t.Errorf("only %d configurations have no faults", dumped)
	}
}

// allGood returns the files of every case and example.
func allGood(t testing.TB) map[string]fstest.MapFS {
	t.Helper()
	out := map[string]fstest.MapFS{}
	cases, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range cases {
		_, out[filepath.Base(file)] = archive(t, file)
	}
	examples, err := filepath.Glob("../examples/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range examples {
		files := fstest.MapFS{}
		err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(filepath.Join(dir, path))
			files[path] = &fstest.MapFile{Data: text}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(dir)] = files
	}
	return out
}

// checkDump checks the dump of documents that were loaded from files.
func checkDump(t interface {
	Errorf(format string, args ...any)
	Helper()
}, files fstest.MapFS, docs *gateway.Documents,
) {
	t.Helper()
	first := config.Dump(docs)
	again, faults := config.LoadFS(beside(files, docs, first), config.Options{LookupEnv: environment})
	if len(faults) > 0 {
		t.Errorf("the dump has faults:\n%v\n%s", faults, all(first))
		return
	}
	if diff := gocmp.Diff(meant(docs), meant(again), cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("the dump is another configuration (-want +got):\n%s\n%s", diff, all(first))
	}
	if changes := config.Diff(docs, again); len(changes) > 0 {
		t.Errorf("the dump differs: %+v\n%s", changes, all(first))
	}
	if second := config.Dump(again); !maps.EqualFunc(first, second, slices.Equal) {
		t.Errorf("dumped again it is not the same:\n%s\n%s", all(first), all(second))
	}
}

// beside returns the files of a dump with those of the files before that are no documents and no part of the content: key sets,
// lists of endpoints, secrets.
func beside(files fstest.MapFS, docs *gateway.Documents, dump map[string][]byte) fstest.MapFS {
	out := fstest.MapFS{}
	for path, file := range files {
		if docs.Files[path] == nil {
			out[path] = file
		}
	}
	for path, text := range dump {
		out[path] = &fstest.MapFile{Data: text}
	}
	return out
}

func all(files map[string][]byte) string {
	text := ""
	for _, path := range slices.Sorted(maps.Keys(files)) {
		text += "-- " + path + " --\n" + string(files[path])
	}
	return text
}

// meant returns the objects of documents without what makes no difference: places, and the order of lists that have none.
func meant(docs *gateway.Documents) *gateway.Documents {
	out := &gateway.Documents{}
	for _, g := range docs.Gateways {
		g := *g
		g.Origin = gateway.Origin{}
		g.Listeners = ordered(g.Listeners, func(l gateway.Listener) string { return l.Name })
		for i := range g.Listeners {
			g.Listeners[i].Hosts = words(g.Listeners[i].Hosts)
		}
		g.Trust.Proxies = slices.SortedFunc(slices.Values(g.Trust.Proxies), netip.Prefix.Compare)
		g.Rollout = meantRollout(g.Rollout)
		g.Headers = meantHeaders(g.Headers)
		g.Allow = ordered(g.Allow, func(grant gateway.Grant) string { return grant.Team })
		for i := range g.Allow {
			g.Allow[i].Hosts, g.Allow[i].Bases = words(g.Allow[i].Hosts), words(g.Allow[i].Bases)
		}
		out.Gateways = append(out.Gateways, &g)
	}
	for _, u := range docs.Upstreams {
		u := *u
		u.Origin = gateway.Origin{}
		u.Endpoints = ordered(u.Endpoints, func(e gateway.Endpoint) string { return e.Address })
		if u.Retries != nil {
			retries := *u.Retries
			retries.On = words(retries.On)
			u.Retries = &retries
		}
		out.Upstreams = append(out.Upstreams, &u)
	}
	for _, i := range docs.Issuers {
		i := *i
		i.Origin = gateway.Origin{}
		i.Audiences = words(i.Audiences)
		i.KeySet = meantJSON(i.KeySet)
		out.Issuers = append(out.Issuers, &i)
	}
	for _, p := range docs.Policies {
		p := *p
		p.Origin, p.File, p.Line = gateway.Origin{}, "", 0
		out.Policies = append(out.Policies, &p)
	}
	for _, c := range docs.Certificates {
		c := *c
		c.Origin = gateway.Origin{}
		out.Certificates = append(out.Certificates, &c)
	}
	for _, api := range docs.APIs {
		out.APIs = append(out.APIs, meantAPI(*api))
	}
	return out
}

func meantAPI(api gateway.API) *gateway.API {
	api.Origin = gateway.Origin{}
	api.Expose = ordered(api.Expose, func(e gateway.Exposure) string { return e.Gateway + e.Base })
	for i := range api.Expose {
		api.Expose[i].Hosts = words(api.Expose[i].Hosts)
	}
	api.To = meantTo(api.To)
	api.Authenticate = meantAuthenticate(api.Authenticate)
	api.Limits = meantLimits(api.Limits)
	api.Headers = meantHeaders(api.Headers)
	api.Operations = ordered(api.Operations, func(op gateway.Operation) string { return op.ID })
	for i := range api.Operations {
		op := &api.Operations[i]
		op.Field = ""
		op.To = meantTo(op.To)
		op.Authenticate = meantAuthenticate(op.Authenticate)
		if op.Limits != nil {
			list := meantLimits(*op.Limits)
			op.Limits = &list
		}
		op.Headers = meantHeaders(op.Headers)
	}
	return &api
}

func meantTo(list []gateway.Destination) []gateway.Destination {
	return ordered(list, func(d gateway.Destination) string { return d.Upstream })
}

func meantLimits(list []gateway.Limit) []gateway.Limit {
	return ordered(list, func(l gateway.Limit) string { return l.Name })
}

func meantAuthenticate(a *gateway.Authenticate) *gateway.Authenticate {
	if a == nil {
		return nil
	}
	out := &gateway.Authenticate{None: a.None}
	for _, p := range a.Any {
		out.Any = append(out.Any, gateway.Proof{JWT: p.JWT, Scopes: words(p.Scopes)})
	}
	out.Any = ordered(out.Any, func(p gateway.Proof) string { return p.JWT })
	return out
}

func meantHeaders(h gateway.Headers) gateway.Headers {
	h.Request.Remove, h.Response.Remove = words(h.Request.Remove), words(h.Response.Remove)
	for _, list := range []*[]gateway.Header{&h.Request.Set, &h.Request.Add, &h.Response.Set, &h.Response.Add} {
		*list = ordered(*list, func(h gateway.Header) string { return h.Name })
	}
	return h
}

// meantRollout writes the defaults out, which docs/rollouts.md states.
func meantRollout(r *gateway.Rollout) *gateway.Rollout {
	if r == nil {
		return nil
	}
	out := *r
	out.Soak = cmp.Or(out.Soak, 30*time.Second)
	out.Patience = cmp.Or(out.Patience, 10*time.Minute)
	out.Errors, out.Denials = cmp.Or(out.Errors, 1), cmp.Or(out.Denials, 5)
	out.Requests = cmp.Or(out.Requests, 100)
	out.Latency = cmp.Or(out.Latency, 2)
	out.Waves = slices.Clone(out.Waves)
	for i := range out.Waves {
		out.Waves[i].Nodes = words(out.Waves[i].Nodes)
	}
	return &out
}

// meantJSON returns JSON without what makes no difference.
func meantJSON(text []byte) []byte {
	var value any
	if json.Unmarshal(text, &value) != nil {
		return text
	}
	out, err := json.Marshal(value)
	if err != nil {
		return text
	}
	return out
}

// words returns texts in order, each once.
func words(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// ordered returns a list in order of what its items are told apart by.
func ordered[T any](list []T, key func(T) string) []T {
	out := slices.Clone(list)
	slices.SortStableFunc(out, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	return out
}
