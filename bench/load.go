package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// How much is loaded.
const (
	loadedAPIs  = 500
	loadedHosts = 50
	policies    = 50
)

// loadTarget is how many milliseconds loading and compiling may take: far below a second.
const loadTarget = 500

// load measures how long 5,000 routes take from documents to what Envoys get, and a change of one of them; once with the
// operations written out, and once with an OpenAPI contract for each API.
func (b *bench) load(ctx context.Context) error {
	for _, contracts := range []bool{false, true} {
		name := "written out"
		if contracts {
			name = "from contracts"
		}
		dir, err := b.loadDocuments(name, contracts)
		if err != nil {
			return err
		}
		var cold, warm, floor []loaded
		for i := range b.loads {
			f, _, err := b.loadOnce(ctx, dir, "parse", contracts, i)
			if err != nil {
				return err
			}
			c, w, err := b.loadOnce(ctx, dir, "load", contracts, i)
			if err != nil {
				return err
			}
			cold, warm, floor = append(cold, c), append(warm, w), append(floor, f)
		}
		what := fmt.Sprintf("%s operations %s, %s routes", grouped(loadedAPIs*operationsPerAPI), name, grouped(cold[0].Routes))
		b.loadFigures(what, cold, warm, floor)
	}
	return nil
}

// loadFigures adds the lines of one set of documents.
func (b *bench) loadFigures(what string, cold, warm, floor []loaded) {
	whole := func(l loaded) time.Duration { return l.Whole }
	add := func(part string, from []loaded, of func(loaded) time.Duration, bound float64) {
		ours := milliseconds(from, of)
		goal := target{}
		if bound > 0 {
			goal = target{bound: bound, unit: "ms", value: spreadOf(ours).median}
		}
		b.table.compare(what+": "+part, "ms", ours, milliseconds(floor, whole), goal)
	}
	add("load and compile", cold, whole, loadTarget)
	add("of it config.Load", cold, func(l loaded) time.Duration { return l.Load }, 0)
	add("of it gateway.Assemble", cold, func(l loaded) time.Duration { return l.Assemble }, 0)
	add("of it authz.Compile", cold, func(l loaded) time.Duration { return l.Authz }, 0)
	add("of it ratelimit.Compile", cold, func(l loaded) time.Duration { return l.RateLimit }, 0)
	add("of it analytics.Compile", cold, func(l loaded) time.Duration { return l.Analytics }, 0)
	add("of it xds.Compile", cold, func(l loaded) time.Duration { return l.XDS }, 0)
	add("reload with one changed route", warm, whole, loadTarget)
	peak := func(list []loaded) []float64 {
		var values []float64
		for _, l := range list {
			values = append(values, float64(l.Peak)/(1<<20))
		}
		return values
	}
	b.table.compare(what+": most memory held, first load", "MiB", peak(cold), peak(floor), target{})
}

func milliseconds(list []loaded, of func(loaded) time.Duration) []float64 {
	var values []float64
	for _, l := range list {
		values = append(values, float64(of(l).Microseconds())/1000)
	}
	return values
}

// loadOnce loads a directory in a fresh process, changes one limit, and loads it again.
func (b *bench) loadOnce(ctx context.Context, dir, question string, contracts bool, turn int) (first, second loaded, err error) {
	c, err := spawn(ctx, b.progress, "loader", dir)
	if err != nil {
		return first, second, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	ask := func() (loaded, error) {
		answer, err := c.ask(question)
		if err != nil {
			return loaded{}, err
		}
		return parse[loaded](answer)
	}
	if question == "parse" {
		first, err = ask()
		return first, second, err
	}
	err = b.profiled(c, fmt.Sprintf("load-%t-%d", contracts, turn), func() (err error) {
		first, err = ask()
		return err
	})
	if err != nil {
		return first, second, err
	}
	if err := writeFile(filepath.Join(dir, apiFile(0)), apiDocument(0, contracts, 1000+turn)); err != nil {
		return first, second, err
	}
	second, err = ask()
	return first, second, err
}

// loadDocuments writes the documents of 5,000 routes: tokens, policies and limits before all of them.
func (b *bench) loadDocuments(name string, contracts bool) (string, error) {
	dir, err := b.subdir(strings.ReplaceAll(name, " ", "-"))
	if err != nil {
		return "", err
	}
	var hosts []string
	for i := range loadedHosts {
		hosts = append(hosts, host(i))
	}
	files := map[string]string{
		"gateway.yaml": "schema: 1\nkind: Gateway\nname: edge\nlisteners: [{name: http, address: 127.0.0.1, port: 8080, hosts: [" +
			strings.Join(hosts, ", ") + "]}]\n",
		"issuer.yaml": "schema: 1\nkind: Issuer\nname: bank\nissuer: https://login.nordhaven.test\njwks: {file: ./issuer.jwks.json}\n",
	}
	for i := range policies {
		files[fmt.Sprintf("policy-%d.yaml", i)] = policyDocument(i)
	}
	for i := range loadedAPIs {
		files[apiFile(i)] = apiDocument(i, contracts, 1000)
		if contracts {
			files[contractFile(i)] = contractDocument(i)
		}
	}
	keys, err := readText(filepath.Join(b.quickstart(), "issuer.jwks.json"))
	if err != nil {
		return "", err
	}
	files["issuer.jwks.json"] = keys
	for name, text := range files {
		if err := writeFile(filepath.Join(dir, name), text); err != nil {
			return "", fmt.Errorf("write the documents: %w", err)
		}
	}
	return dir, nil
}
