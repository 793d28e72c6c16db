package descriptors_test

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"testing"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/ratelimit/descriptors"
)

// oracle is envoyproxy/ratelimit itself, in a process of its own: see package oracle.
type oracle struct {
	in  *json.Encoder
	out *json.Decoder
}

// said is what it answers.
type said struct {
	Error string
	Fell  bool
	Found *struct {
		Limit                              json.RawMessage
		Unlimited, Shadow, Quota, Detailed bool
		Replaces                           []string
		Series                             string
		Shared                             []string
	}
	Says json.RawMessage
	Key  string
}

func newOracle(t *testing.T) *oracle {
	t.Helper()
	process := exec.CommandContext(t.Context(), needs.Program(t, "oracle", "."))
	process.Env = []string{"LIMIT_RESPONSE_HEADERS_ENABLED=true", "RESPONSE_DYNAMIC_METADATA=true"}
	in, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = process.Wait()
	})
	return &oracle{in: json.NewEncoder(in), out: json.NewDecoder(bufio.NewReader(out))}
}

// fataler is a test, or a case of rapid's.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func (o *oracle) ask(t fataler, question map[string]any) said {
	t.Helper()
	var s said
	if err := o.in.Encode(question); err != nil {
		t.Fatalf("ask the oracle: %v", err)
	}
	if err := o.out.Decode(&s); err != nil {
		t.Fatalf("ask the oracle: %v", err)
	}
	return s
}

// encoded is a message as JSON.
func encoded(t fataler, m proto.Message) json.RawMessage {
	t.Helper()
	text, err := protojson.Marshal(m)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return text
}

// load loads files with both, and returns ours where both take them. That only one does is a failure.
func (o *oracle) load(t fataler, files []descriptors.File, merge bool) (config *descriptors.Config, ok bool) {
	t.Helper()
	ours, faults := descriptors.Load(files, descriptors.LoadOptions{Merge: merge})
	var texts []map[string]string
	for _, f := range files {
		texts = append(texts, map[string]string{"Name": f.Name, "Text": string(f.Text)})
	}
	s := o.ask(t, map[string]any{"Load": map[string]any{"Files": texts, "Merge": merge}})
	if (s.Error == "") != (faults == nil) {
		t.Fatalf("envoyproxy/ratelimit says %q, we say %v, of:\n%s", s.Error, faults, show(files))
	}
	return ours, faults == nil
}

// find returns its limit of a descriptor in the form of ours, and the key by which it counts.
func (o *oracle) find(t fataler, domain string, d *ratelimitcommonv3.RateLimitDescriptor) (f descriptors.Found, key string, ok bool) {
	t.Helper()
	s := o.ask(t, map[string]any{"Find": map[string]any{"Domain": domain, "Descriptor": encoded(t, d)}})
	if s.Error != "" {
		t.Fatalf("envoyproxy/ratelimit falls over: %s", s.Error)
	}
	if s.Found == nil {
		return f, "", false
	}
	f = descriptors.Found{
		Limit: &rlsv3.RateLimitResponse_RateLimit{}, Unlimited: s.Found.Unlimited, Shadow: s.Found.Shadow, Quota: s.Found.Quota,
		Detailed: s.Found.Detailed, Replaces: s.Found.Replaces, Series: s.Found.Series, Shared: make([]string, len(d.GetEntries())),
	}
	copy(f.Shared, s.Found.Shared)
	if err := protojson.Unmarshal(s.Found.Limit, f.Limit); err != nil {
		t.Fatalf("%v", err)
	}
	return f, s.Key, true
}

func show(files []descriptors.File) string {
	text := ""
	for _, f := range files {
		text += "--- " + f.Name + "\n" + string(f.Text) + "\n"
	}
	return text
}
