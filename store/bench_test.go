package store_test

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/store"
)

// fiveThousandRoutes is a configuration of 100 APIs with 50 operations each, one document a file.
func fiveThousandRoutes() map[string][]byte {
	files := map[string][]byte{}
	for api := range 100 {
		var text strings.Builder
		fmt.Fprintf(&text, "schema: 1\nkind: API\nname: api-%d\nversion: v1\nteam: payments\nto: [{upstream: backend-%d, weight: 100}]\noperations:\n", api, api)
		for operation := range 50 {
			fmt.Fprintf(&text, "  - {id: operation%d, method: GET, path: \"/things/%d/{id}\", authenticate: {all: [{jwt: bank-idp, scopes: [things:%d]}]}}\n", operation, operation, operation)
		}
		files[fmt.Sprintf("apis/api-%d.yaml", api)] = []byte(text.String())
	}
	return files
}

// BenchmarkAddEntry adds the 5,000 routes, whole (each file new) or with one document of a hundred changed. It reports what
// an entry takes in the file.
func BenchmarkAddEntry(b *testing.B) {
	for name, changed := range map[string]int{"all new": 100, "one changed": 1} {
		b.Run(name, func(b *testing.B) {
			s := open(b, store.Options{Dir: b.TempDir()})
			files := fiveThousandRoutes()
			base := files["apis/api-0.yaml"]
			add := func(id string) {
				if _, err := s.History.Add(b.Context(), store.Entry{Content: id, State: "live"}, files); err != nil {
					b.Fatal(err)
				}
			}
			add("first")
			before := size(b, s)
			total := 0
			for i := 0; b.Loop(); i++ {
				total++
				files = maps.Clone(files)
				for api := range changed {
					files[fmt.Sprintf("apis/api-%d.yaml", api)] = append(slices.Clip(base), fmt.Sprintf("# %d %d\n", i, api)...)
				}
				add(fmt.Sprint(i))
			}
			b.ReportMetric(float64(size(b, s)-before)/float64(total)/1024, "KiB/entry")
		})
	}
}

// size is how many bytes the database takes.
func size(b *testing.B, s *store.Store) (bytes int64) {
	b.Helper()
	pages, err := s.Setting(b.Context(), "page_count")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := fmt.Sscan(pages, &bytes); err != nil {
		b.Fatal(err)
	}
	return bytes * 4096
}

// BenchmarkPutNodes stores what 300 nodes acknowledged, in one transaction.
func BenchmarkPutNodes(b *testing.B) {
	s := open(b, store.Options{Dir: b.TempDir()})
	nodes := make([]store.Node, 300)
	for i := 0; b.Loop(); i++ {
		for n := range nodes {
			nodes[n] = store.Node{Fleet: "edge", Name: fmt.Sprint("node-", n), Envoy: "1.40.0", Entry: int64(i), Content: fmt.Sprint(i), Labels: map[string]string{"zone": "a"}}
		}
		if err := s.Nodes.Put(b.Context(), nodes...); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen opens a store with 200 entries of 5,000 routes, which reads all of it.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := open(b, store.Options{Dir: dir})
	files := fiveThousandRoutes()
	base := files["apis/api-0.yaml"]
	for i := range 200 {
		for api := range 10 {
			files[fmt.Sprintf("apis/api-%d.yaml", api)] = append(slices.Clip(base), fmt.Sprintf("# %d %d\n", i, api)...)
		}
		if _, err := s.History.Add(b.Context(), store.Entry{Content: fmt.Sprint(i), State: "live"}, files); err != nil {
			b.Fatal(err)
		}
	}
	bytes := size(b, s)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		again, err := store.Open(b.Context(), store.Options{Dir: dir})
		if err == nil {
			err = again.Close()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(bytes)/(1<<20), "MiB")
}

// BenchmarkChange makes the smallest change, on each database, by one who waits for it and by eight at once.
func BenchmarkChange(b *testing.B) {
	server := needs.Postgres(b)
	for name, place := range map[string]string{"SQLite": b.TempDir(), "PostgreSQL": server.Database()} {
		s := open(b, at(place))
		b.Run(name+"/one", func(b *testing.B) {
			for b.Loop() {
				if err := s.Meta.Set(b.Context(), "name", "value"); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
		})
		b.Run(name+"/eight", func(b *testing.B) {
			b.SetParallelism(8 / min(8, runtime.GOMAXPROCS(0)))
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if err := s.Meta.Set(b.Context(), "name", "value"); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
		})
		b.Run(name+"/entry of 5,000 routes, one document changed", func(b *testing.B) {
			files := fiveThousandRoutes()
			base := files["apis/api-0.yaml"]
			for i := 0; b.Loop(); i++ {
				files = maps.Clone(files)
				files["apis/api-0.yaml"] = append(slices.Clip(base), fmt.Sprintf("# %d %d\n", i, b.N)...)
				if _, err := s.History.Add(b.Context(), store.Entry{Content: fmt.Sprint(b.N, "-", i), State: "live"}, files); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
