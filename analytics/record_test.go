package analytics_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	alsv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/gatehouse/gatehouse/analytics"
	"github.com/gatehouse/gatehouse/gateway"
)

// arrival is when the entries of these tests arrive.
func arrival() time.Time { return time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC) }

// batch returns a message with entries.
func batch(entries ...*datav3.HTTPAccessLogEntry) *alsv3.StreamAccessLogsMessage {
	return &alsv3.StreamAccessLogsMessage{LogEntries: &alsv3.StreamAccessLogsMessage_HttpLogs{
		HttpLogs: &alsv3.StreamAccessLogsMessage_HTTPAccessLogEntries{LogEntry: entries},
	}}
}

// sample is a file of testdata/entries: an entry, and the fields of its record that are not zero.
type sample struct {
	name   string
	entry  *datav3.HTTPAccessLogEntry
	record map[string]any
}

// TestRecord holds each entry of testdata/entries against the record written beside it.
func TestRecord(t *testing.T) {
	t.Parallel()
	for _, c := range samples(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []analytics.Record
			s := newService(t, analytics.Options{Now: arrival, Records: func(b []analytics.Record) { got = append(got, b...) }},
				route("get", "r1"),
				route("limited", "r7", gateway.Limit{Name: "per-customer"}),
				route("limits-open", "r8", gateway.Limit{Name: "per-customer"}),
			)
			s.Feed("edge", "edge-1", batch(c.entry))
			if len(got) != 1 {
				t.Fatalf("%d records, want 1", len(got))
			}
			if diff := cmp.Diff(c.record, fields(t, got[0])); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
		})
	}
}

// fields returns what is not zero in a record.
func fields(t *testing.T, r analytics.Record) map[string]any {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatalf("write the record: %v", err)
	}
	return readFields(t, text)
}

func readFields(t testing.TB, text []byte) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var all map[string]any
	if err := decoder.Decode(&all); err != nil {
		t.Fatalf("read %s: %v", text, err)
	}
	for name, value := range all {
		nested, ok := value.(map[string]any)
		if value == "" || value == json.Number("0") || ok && nested["Authorization"] == false && nested["Limits"] == false {
			delete(all, name)
		}
	}
	return all
}

func samples(t testing.TB) []sample {
	t.Helper()
	files, err := filepath.Glob("testdata/entries/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("find entries: %v, %v", files, err)
	}
	list := make([]sample, 0, len(files))
	for _, file := range files {
		var parts struct{ Entry, Record json.RawMessage }
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &parts)
		}
		entry := &datav3.HTTPAccessLogEntry{}
		if err == nil {
			err = protojson.Unmarshal(parts.Entry, entry)
		}
		if err != nil {
			t.Fatalf("read %s: %v", file, err)
		}
		list = append(list, sample{strings.TrimSuffix(filepath.Base(file), ".json"), entry, readFields(t, parts.Record)})
	}
	return list
}
