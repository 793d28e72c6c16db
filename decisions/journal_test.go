package decisions_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/decisions"
	"github.com/gatehouse/gatehouse/gateway"
)

// fill puts decisions into a journal and closes it.
func fill(t *testing.T, dir string, bytes int64, all ...gateway.Decision) {
	t.Helper()
	l := newLog(t, decisions.Options{Journal: openJournal(t, dir, bytes)})
	for _, d := range all {
		l.Put(pending(d))
	}
	stop(t, l)
	if c := l.Counts(); c.Written != uint64(len(all)) || c.Lost["journal"] != 0 {
		t.Fatalf("%+v, of %d", c, len(all))
	}
}

func TestJournalOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := refusal(request(1), noon()), passage(request(1), noon().Add(time.Second))
	fill(t, dir, 0, first, second, refusal(request(2), noon()))
	fill(t, dir, 0, refusal(request(3), noon()))
	j := openJournal(t, dir, 0)
	defer func() { _ = j.Close() }()
	found, err := j.Of(request(1))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]gateway.Decision{first, second}, found); diff != "" {
		t.Errorf("of a request (-want +got):\n%s", diff)
	}
	for _, r := range []string{request(2), request(3)} {
		if found, err := j.Of(r); err != nil || len(found) != 1 {
			t.Errorf("%s: %v, %v", r, found, err)
		}
	}
	if found, err := j.Of(request(4)); err != nil || len(found) != 0 {
		t.Errorf("what was never recorded: %v, %v", found, err)
	}
}

// TestJournalIsBounded writes more than may be kept: the oldest go, refusals and the rest each by themselves.
func TestJournalIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const bound = 4 << 20
	rare := refusal(request(999_999), noon())
	fill(t, dir, bound, rare)
	for round := range 4 {
		var all []gateway.Decision
		for i := range 5000 {
			d := passage(request(round*5000+i), noon().Add(time.Duration(round*5000+i)*time.Millisecond))
			d.Path = strings.Repeat("/x", 100)
			all = append(all, d)
		}
		fill(t, dir, bound, all...)
	}
	if size := sizeOf(t, dir); size > bound {
		t.Errorf("the journal takes %d bytes, and may take %d", size, bound)
	}
	j := openJournal(t, dir, bound)
	defer func() { _ = j.Close() }()
	if found, err := j.Of(request(0)); err != nil || len(found) != 0 {
		t.Errorf("the oldest is still there: %v, %v", found, err)
	}
	for _, r := range []string{request(19_999), rare.RequestID} {
		if found, err := j.Of(r); err != nil || len(found) != 1 {
			t.Errorf("%s: %d records, %v", r, len(found), err)
		}
	}
}

func sizeOf(t *testing.T, dir string) (size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// TestTornTail cuts the journal off at every place, as a crash or a full disk does: what is whole is found, and nothing breaks.
func TestTornTail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fill(t, dir, 0, refusal(request(1), noon()), refusal(request(2), noon()))
	name := files(t, dir, ".jsonl")[0]
	for _, index := range files(t, dir, ".index") {
		if err := os.Remove(index); err != nil { // A killed process has written none.
			t.Fatal(err)
		}
	}
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	first := strings.IndexByte(string(whole), '\n') + 1
	for length := len(whole); length >= 0; length -= 7 {
		if err := os.Truncate(name, int64(length)); err != nil {
			t.Fatal(err)
		}
		j := openJournal(t, dir, 0)
		found, err := j.Of(request(1))
		if err != nil || (len(found) == 1) != (length >= first-1) {
			t.Errorf("cut off at %d: %d records, %v", length, len(found), err)
		}
		page, _, err := j.Page(decisions.Query{})
		if want := strings.Count(string(whole[:length]), "\n"); err != nil || len(page) != want {
			t.Errorf("cut off at %d: a page of %d, want %d, %v", length, len(page), want, err)
		}
		_ = j.Close()
	}
}

func files(t *testing.T, dir, end string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, end) {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("files %s: %v, %v", end, found, err)
	}
	return found
}

// TestPages reads everything in pages, the newest first, also what is being written.
func TestPages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var want []string
	var all []gateway.Decision
	for i := range 50 {
		at := noon().Add(time.Duration(i) * time.Second)
		d := refusal(request(i), at)
		if i%3 == 0 {
			d = passage(request(i), at)
		}
		if i%5 == 0 {
			d.API = "cards"
		}
		all, want = append(all, d), append(want, d.RequestID)
	}
	slices.Reverse(want)
	fill(t, dir, 0, all[:30]...)
	journal := openJournal(t, dir, 0)
	l := newLog(t, decisions.Options{Journal: journal})
	for _, d := range all[30:] {
		l.Put(pending(d))
	}
	known(t, journal, request(49))
	known(t, journal, request(48))

	read := func(q decisions.Query) (ids []string) {
		for {
			page, next, err := journal.Page(q)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, requests(page)...)
			if next == nil {
				return ids
			}
			q.After = next
		}
	}
	for _, limit := range []int{1, 7, 50, 1000} {
		if diff := cmp.Diff(want, read(decisions.Query{Limit: limit})); diff != "" {
			t.Errorf("in pages of %d (-want +got):\n%s", limit, diff)
		}
	}
	select_ := func(holds func(gateway.Decision) bool) (ids []string) {
		for _, d := range slices.Backward(all) {
			if holds(d) {
				ids = append(ids, d.RequestID)
			}
		}
		return ids
	}
	since := noon().Add(20 * time.Second)
	for name, c := range map[string]struct {
		query decisions.Query
		holds func(gateway.Decision) bool
	}{
		"refused":  {decisions.Query{Refused: true, Limit: 4}, func(d gateway.Decision) bool { return d.Refused() }},
		"api":      {decisions.Query{API: "cards", Limit: 4}, func(d gateway.Decision) bool { return d.API == "cards" }},
		"since":    {decisions.Query{Since: since, Limit: 4}, func(d gateway.Decision) bool { return !d.Time.Before(since) }},
		"until":    {decisions.Query{Until: since, Limit: 4}, func(d gateway.Decision) bool { return d.Time.Before(since) }},
		"allowed":  {decisions.Query{Result: "allowed", Limit: 4}, func(d gateway.Decision) bool { return !d.Refused() }},
		"consumer": {decisions.Query{Consumer: "nobody"}, func(gateway.Decision) bool { return false }},
	} {
		if diff := cmp.Diff(select_(c.holds), read(c.query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestStrangeCursors asks for pages after places that nobody told.
func TestStrangeCursors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fill(t, dir, 0, refusal(request(1), noon()))
	j := openJournal(t, dir, 0)
	defer func() { _ = j.Close() }()
	name := filepath.Base(files(t, dir, ".jsonl")[0])
	for _, c := range []decisions.Cursor{
		{},
		{{}},
		{{Segment: "x", Offset: -5}, {Segment: "../../x"}},
		{{Segment: name, Offset: -1}},
		{{Segment: name, Offset: 1 << 40}},
		{{Segment: name, Offset: 3}},
		{{}, {}, {}},
	} {
		if _, _, err := j.Page(decisions.Query{After: c}); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestUnwritableJournal has its directory taken away: everything is lost and counted, and comes back with the directory.
func TestUnwritableJournal(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "journal")
	journal := openJournal(t, dir, 0)
	l := newLog(t, decisions.Options{Journal: journal})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	l.Put(pending(refusal("r-1", noon())))
	until := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for l.Counts().Lost["journal"] == 0 {
		select {
		case <-until:
			t.Fatal("nothing is lost")
		case <-tick.C:
		}
	}
	for _, name := range []string{"refused", "others"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	l.Put(pending(refusal("r-2", noon())))
	known(t, journal, "r-2")
}
