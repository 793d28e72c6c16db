package store

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"
)

// History is the numbered list of what was applied, and the files of each.
type History struct{ db *database }

// Entry is one line of the history.
type Entry struct {
	Number  int64  // REV. Numbers rise, and none is ever given twice.
	Content string // The content id: the hash of all files.
	Author  string
	Message string
	Source  string // Which source changed; "" for the watched directory, and for a rollback.
	Of      int64  // For a rollback: the entry whose content this is; 0 for none. It stays as long as this one does.
	Parent  int64  // The entry that was in force when this one was made; 0 for none.
	Created time.Time
	State   string // One of the words of those who roll out: held, rolling, live, refused, superseded, aborted...
	Reason  string // Why it is in that state, for people.
	Changed time.Time
	// Substitutions are what stands in the place of quarantined objects, as JSON of those who know them.
	Substitutions []byte
	// Resources are what Envoys got, as JSON of those who know them. They are stored with the entry, and read by Resources alone.
	Resources []byte
}

// Query says which entries List returns, newest first. The zero Query asks for the newest 100.
type Query struct {
	Limit   int      // 0 stands for 100; there is no way to ask for more than 1,000.
	Before  int64    // Only entries with a lower number; 0 for all.
	States  []string // Only entries in one of these states; empty for all.
	Content string   // Only entries of this content; "" for all.
}

const (
	defaultLimit = 100
	maxLimit     = 1000
)

func (q Query) limit() int { return min(positive(q.Limit, defaultLimit), maxLimit) }

const entryColumns = "number, content, author, message, source, of_entry, parent, created, state, reason, changed, substitutions"

func scanEntry(scan func(...any) error) (e Entry, err error) {
	var created, changed int64
	err = scan(&e.Number, &e.Content, &e.Author, &e.Message, &e.Source, &e.Of, &e.Parent, &created, &e.State, &e.Reason, &changed, &e.Substitutions)
	e.Created, e.Changed = at(created), at(changed)
	return e, err
}

// AnyNumber is what AddAfter expects where the newest entry may be any.
const AnyNumber int64 = -1

// Add makes an entry and stores its files, both or none, and returns the entry with its number and times. The files of a
// content that is known may be left out, and are not looked at. Number, Created and Changed of the argument are ignored.
func (h *History) Add(ctx context.Context, e Entry, files map[string][]byte) (Entry, error) {
	return h.AddAfter(ctx, e, files, AnyNumber)
}

// AddAfter is Add for who has made the entry on the ground of what was the newest one: 0 where there was none. ErrConflict
// tells that there is a newer one, and that nothing was added.
func (h *History) AddAfter(ctx context.Context, e Entry, files map[string][]byte, newest int64) (Entry, error) {
	if e.Content == "" || e.State == "" {
		return Entry{}, fmt.Errorf("add an entry to the history: %w: content and state must be given", ErrInvalid)
	}
	e.Created = stored(h.db.now())
	e.Changed = e.Created
	err := h.db.change(ctx, "add an entry to the history", func(ctx context.Context, tx *transaction) error {
		if err := expectNewest(ctx, tx, newest); err != nil {
			return err
		}
		if err := addContent(ctx, tx, e.Content, files, moment(e.Created)); err != nil {
			return err
		}
		err := tx.QueryRowContext(ctx, `INSERT INTO entries
			(content, author, message, source, of_entry, parent, created, state, reason, changed, substitutions, resources)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING number`,
			e.Content, e.Author, e.Message, e.Source, e.Of, e.Parent, moment(e.Created), e.State, e.Reason, moment(e.Changed),
			e.Substitutions, e.Resources).Scan(&e.Number)
		tx.notice(ConcernHistory, fmt.Sprint(e.Number))
		return err
	})
	return e, err
}

// expectNewest returns ErrConflict where the newest entry has another number.
func expectNewest(ctx context.Context, q querier, expected int64) error {
	if expected == AnyNumber {
		return nil
	}
	var newest int64
	if err := q.QueryRowContext(ctx, "SELECT coalesce(max(number), 0) FROM entries").Scan(&newest); err != nil {
		return err
	}
	if newest != expected {
		return fmt.Errorf("%w: the newest entry is %d, not %d", ErrConflict, newest, expected)
	}
	return nil
}

// Get returns the entry with a number, or ErrNotFound.
func (h *History) Get(ctx context.Context, number int64) (e Entry, err error) {
	err = h.db.view(ctx, fmt.Sprintf("read entry %d of the history", number), func(ctx context.Context, q querier) error {
		e, err = one(ctx, q, scanEntry, "SELECT "+entryColumns+" FROM entries WHERE number = $1", number)
		return err
	})
	return e, err
}

// Resources returns what Envoys got by an entry, nil where that was not stored, or ErrNotFound.
func (h *History) Resources(ctx context.Context, number int64) (resources []byte, err error) {
	err = h.db.view(ctx, fmt.Sprintf("read the resources of entry %d", number), func(ctx context.Context, q querier) error {
		return q.QueryRowContext(ctx, "SELECT resources FROM entries WHERE number = $1", number).Scan(&resources)
	})
	return resources, err
}

// List returns entries, newest first.
func (h *History) List(ctx context.Context, query Query) (entries []Entry, err error) {
	err = h.db.view(ctx, "list the history", func(ctx context.Context, q querier) error {
		where, args := query.where()
		args = append(args, query.limit())
		entries, err = collect(ctx, q, scanEntry,
			fmt.Sprintf("SELECT %s FROM entries%s ORDER BY number DESC LIMIT $%d", entryColumns, where, len(args)), args...)
		return err
	})
	return entries, err
}

func (q Query) where() (where string, args []any) {
	var conditions []string
	if q.Before > 0 {
		args = append(args, q.Before)
		conditions = append(conditions, fmt.Sprintf("number < $%d", len(args)))
	}
	if q.Content != "" {
		args = append(args, q.Content)
		conditions = append(conditions, fmt.Sprintf("content = $%d", len(args)))
	}
	if len(q.States) > 0 {
		args = append(args, texts(q.States)...)
		conditions = append(conditions, "state IN "+placeholders(len(args)-len(q.States)+1, len(q.States)))
	}
	if len(conditions) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(conditions, " AND "), args
}

// Latest returns the newest entry in one of the states, or ErrNotFound.
func (h *History) Latest(ctx context.Context, states ...string) (Entry, error) {
	entries, err := h.List(ctx, Query{Limit: 1, States: states})
	if err == nil && len(entries) == 0 {
		err = fmt.Errorf("find the latest entry in state %s: %w", cmp.Or(strings.Join(states, " or "), "any"), ErrNotFound)
	}
	if err != nil {
		return Entry{}, err
	}
	return entries[0], nil
}

// SetState moves an entry from one state to another, with a reason. ErrConflict tells that it is in a third one, ErrNotFound
// that there is no such entry.
func (h *History) SetState(ctx context.Context, number int64, from, to, reason string) error {
	return h.db.change(ctx, fmt.Sprintf("set entry %d of the history to %s", number, to), func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernHistory, fmt.Sprint(number))
		changed, err := exec(ctx, tx, "UPDATE entries SET state = $1, reason = $2, changed = $3 WHERE number = $4 AND state = $5",
			to, reason, moment(h.db.now()), number, from)
		if err != nil || changed == 1 {
			return err
		}
		e, err := one(ctx, tx, scanEntry, "SELECT "+entryColumns+" FROM entries WHERE number = $1", number)
		if err != nil {
			return err
		}
		return fmt.Errorf("%w: it is %s, not %s", ErrConflict, e.State, from)
	})
}

// Files returns every file of a content by its path, or ErrNotFound. ErrCorrupt tells that one is not what was stored.
func (h *History) Files(ctx context.Context, content string) (files map[string][]byte, err error) {
	err = h.db.view(ctx, "read content "+content, func(ctx context.Context, q querier) error {
		files, err = readContent(ctx, q, content)
		return err
	})
	return files, err
}

// texts are strings as arguments of a query.
func texts(values []string) []any {
	args := make([]any, len(values))
	for i, value := range values {
		args[i] = value
	}
	return args
}

// placeholders are n of them in brackets, the first with a number.
func placeholders(first, n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint("$", first+i)
	}
	return "(" + strings.Join(all, ", ") + ")"
}
