package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// table is one that a dump holds. Its rows come in the order of its key, the same on every database.
type table struct {
	name  string
	key   []string
	count string // Of the column whose numbers are counted, its table's name; "" for none.
}

// dumped are the tables of a dump, each after those it refers to.
func dumped() []table {
	return []table{
		{"contents", []string{"id"}, ""},
		{"files", []string{"hash"}, ""},
		{"content_files", []string{"content", "path"}, ""},
		{"entries", []string{"number"}, "entries"},
		{"nodes", []string{"fleet", "name"}, ""},
		{"rollouts", []string{"id"}, "rollouts"},
		{"observed", []string{"kind", "name"}, ""},
		{"changes", []string{"id"}, "changes"},
		{"tokens", []string{"id"}, ""},
		{"authorities", []string{"id"}, ""},
		{"meta", []string{"name"}, ""},
		{"secrets", []string{"name"}, ""},
		{"access_tokens", []string{"id"}, ""},
		{"audit", []string{"seq"}, ""},
		{"audit_head", []string{"id"}, ""},
		{"certificates", []string{"serial"}, ""},
		{"revocations", []string{"fleet", "node", "serial"}, ""},
		{"usage", []string{"hour", "replica", "api", "version", "operation", "class"}, ""},
		{"applications", []string{"id"}, ""},
		{"credentials", []string{"id"}, ""},
		{"subscriptions", []string{"id"}, ""},
	}
}

// passing are the tables that a dump leaves out: what running processes know of each other, and what each database keeps for
// itself.
func passing() []string {
	return []string{"leases", "replicas", "assignments", "questions", "feed", "counters", "sqlite_sequence", "sqlite_stat1", versions}
}

// kind is what a column holds.
type kind int

const (
	text kind = iota
	integer
	boolean
	blob
)

// kindOf says what a column of a type holds, by the names of both databases.
func kindOf(databaseType string) (kind, error) {
	switch strings.ToUpper(databaseType) {
	case "TEXT":
		return text, nil
	case "BIGINT", "INTEGER", "INT8":
		return integer, nil
	case "BOOLEAN", "BOOL":
		return boolean, nil
	case "BLOB", "BYTEA":
		return blob, nil
	}
	return 0, fmt.Errorf("a column of type %s is not known", databaseType)
}

// columns are those of a table, by name.
func columns(ctx context.Context, q querier, table string) (names []string, kinds map[string]kind, err error) {
	rows, err := q.QueryContext(ctx, "SELECT * FROM "+table+" WHERE 1 = 0")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = rows.Close() }() // It has no rows.
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, nil, err
	}
	kinds = map[string]kind{}
	for _, t := range types {
		if kinds[t.Name()], err = kindOf(t.DatabaseTypeName()); err != nil {
			return nil, nil, fmt.Errorf("%s.%s: %w", table, t.Name(), err)
		}
		names = append(names, t.Name())
	}
	slices.Sort(names)
	return names, kinds, rows.Err()
}

// outward is a value of the database as JSON has it: bytes are base64.
func outward(k kind, value any) (any, error) {
	switch v := value.(type) {
	case nil:
		return nil, nil
	case int64:
		if k == boolean {
			return v != 0, nil
		}
		return v, nil
	case bool:
		return v, nil
	case string:
		return outwardBytes(k, []byte(v))
	case []byte:
		return outwardBytes(k, v)
	}
	return nil, fmt.Errorf("a value of type %T is not known", value)
}

func outwardBytes(k kind, v []byte) (any, error) {
	if k == blob {
		return base64.StdEncoding.EncodeToString(v), nil
	}
	if !utf8.Valid(v) {
		return nil, fmt.Errorf("%w: the text %q is not UTF-8", ErrInvalid, v)
	}
	return string(v), nil
}

// inward is a value of JSON as the database takes it.
func inward(k kind, value json.RawMessage) (any, error) {
	if string(value) == "null" {
		return nil, nil
	}
	switch k {
	case integer:
		return decoded[int64](value)
	case boolean:
		return decoded[bool](value)
	case blob:
		return decoded[[]byte](value)
	case text:
	}
	return decoded[string](value)
}

func decoded[T any](value json.RawMessage) (any, error) {
	var v T
	if err := json.Unmarshal(value, &v); err != nil {
		return nil, err
	}
	return v, nil
}
