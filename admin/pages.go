package admin

import (
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// pageMax is how many items a list answers at most.
const pageMax = 1000

// PageQuery selects a part of a list. Like NextPage and AccessPath it is exported for huma, which looks into no other fields.
type PageQuery struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"1000" doc:"How many at most"`
	Cursor string `query:"cursor" maxLength:"1024" pattern:"^([0-9a-f]{2})+$" doc:"Where the page before said that the next one begins"`
}

// NextPage is where the next part of a list begins.
type NextPage struct {
	Link string `header:"Link" doc:"The next page, where there is one (RFC 8288, rel next)"`
}

// page returns a part of a list that is sorted by a key, and the cursor of the next part, "" where this is the last. An item that
// comes or goes meanwhile moves no other.
func page[T any](q PageQuery, items []T, key func(T) string) (part []T, next string, err error) {
	if q.Cursor != "" {
		text, err := hex.DecodeString(q.Cursor)
		if err != nil {
			return nil, "", huma.Error422UnprocessableEntity("the cursor is none that a page has told")
		}
		from, found := slices.BinarySearchFunc(items, string(text), func(item T, last string) int { return strings.Compare(key(item), last) })
		if found {
			from++
		}
		items = items[from:]
	}
	limit := q.Limit
	if limit <= 0 {
		limit = pageMax
	}
	if len(items) > limit {
		items = items[:limit]
		next = hex.EncodeToString([]byte(key(items[limit-1])))
	}
	return append(make([]T, 0, len(items)), items...), next, nil
}

// link is the header that leads to the next page of a list with the same filters.
func (q PageQuery) link(next string, filters ...string) NextPage {
	if next == "" {
		return NextPage{}
	}
	query := url.Values{"cursor": {next}, "limit": {strconv.Itoa(q.Limit)}}
	for i := 0; i+1 < len(filters); i += 2 {
		if filters[i+1] != "" {
			query.Set(filters[i], filters[i+1])
		}
	}
	return NextPage{Link: "<?" + query.Encode() + `>; rel="next"`}
}
