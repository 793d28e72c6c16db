package descriptors_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/ratelimit/descriptors"
	"github.com/gatehouse/gatehouse/ratelimit/memory"
)

// difference is a sequence of requests that envoyproxy/ratelimit answers otherwise than Gatehouse does, on purpose.
type difference struct {
	rules    string   // Below descriptors.
	requests []string // Lists of descriptors, or whole requests, as JSON.
	theirs   string   // Code and remaining of each descriptor; answers apart by "|".
	ours     string
}

func differences() map[string]difference {
	const each = `{key: user, rate_limit: {unit: minute, requests_per_unit: 3}}`
	user := func(value string) string { return `{"entries": [{"key": "user", "value": "` + value + `"}]}` }
	return map[string]difference{
		"keys-in-rules": {
			rules:    `[{key: header, rate_limit: {unit: minute, requests_per_unit: 3}}, {key: header_gold, rate_limit: {unit: minute, requests_per_unit: 1000}}]`,
			requests: []string{`[{"entries": [{"key": "header", "value": "gold"}]}]`},
			theirs:   "OK 999", ours: "OK 2",
		},
		"keys-of-buckets": {
			rules: `[{key: user, rate_limit: {unit: minute, requests_per_unit: 3}, descriptors: [{key: path, rate_limit: {unit: minute, requests_per_unit: 3}}]}]`,
			requests: []string{
				`[{"entries": [{"key": "user", "value": "a"}, {"key": "path", "value": "b"}]}]`, `[{"entries": [{"key": "user", "value": "a_path_b"}]}]`,
			},
			theirs: "OK 2|OK 1", ours: "OK 2|OK 2",
		},
		"units-of-buckets": {
			rules: "[" + each + "]",
			requests: []string{
				"[" + user("a") + "]", `[{"entries": [{"key": "user", "value": "a"}], "limit": {"requestsPerUnit": 3, "unit": "HOUR"}}]`,
			},
			theirs: "OK 2|OK 1", ours: "OK 2|OK 2",
		},
		"refused-by-another": {
			rules: `[{key: user, rate_limit: {unit: minute, requests_per_unit: 3}}, {key: banned, rate_limit: {unit: minute, requests_per_unit: 0}}]`,
			requests: []string{
				"[" + user("a") + `, {"entries": [{"key": "banned"}]}]`, "[" + user("a") + "]",
			},
			theirs: "OK 2,OVER_LIMIT 0|OK 1", ours: "OK 3,OVER_LIMIT 0|OK 2",
		},
		"refused-cost": {
			rules: "[" + each + "]",
			requests: []string{
				"[" + user("a") + "]", `{"hitsAddend": 3, "descriptors": [` + user("a") + `]}`, "[" + user("a") + "]",
			},
			theirs: "OK 2|OVER_LIMIT 0|OVER_LIMIT 0", ours: "OK 2|OVER_LIMIT 2|OK 1",
		},
		"refused-in-shadow": {
			rules: `[{key: user, rate_limit: {unit: minute, requests_per_unit: 3}, shadow_mode: true}]`,
			requests: []string{
				"[" + user("a") + "]", `{"hitsAddend": 3, "descriptors": [` + user("a") + `]}`, "[" + user("a") + "]",
			},
			theirs: "OK 2|OK 0|OK 0", ours: "OK 2|OK 2|OK 1",
		},
		"refund": {
			rules: "[" + each + "]",
			requests: []string{
				"[" + user("a") + "]", `[{"entries": [{"key": "user", "value": "a"}], "hitsAddend": "1", "isNegativeHits": true}]`,
			},
			theirs: "OK 2|OK 1", ours: "OK 2|OK 3",
		},
		"one-bucket-twice": {
			rules:    "[" + each + "]",
			requests: []string{"[" + user("a") + "," + user("a") + "]", "[" + user("a") + "," + user("a") + "]"},
			theirs:   "OK 2,OK 1|OK 0,OVER_LIMIT 0", ours: "OK 1,OK 1|OK 1,OVER_LIMIT 1",
		},
		"quota-reset": {
			rules:    `[{key: user, rate_limit: {unit: minute, requests_per_unit: 0}, quota_mode: true}]`,
			requests: []string{"[" + user("a") + "]"},
			theirs:   "OK 0 no reset", ours: "OK 0",
		},
		"override-without-unit": {
			rules:    "[" + each + "]",
			requests: []string{`[{"entries": [{"key": "user", "value": "a"}], "limit": {"requestsPerUnit": 3}}]`},
			theirs:   "it ends", ours: "error InvalidArgument",
		},
		"no-domain": {
			rules: "[" + each + "]", requests: []string{`{"domain": "", "descriptors": [` + user("a") + `]}`},
			theirs: "error Unknown", ours: "error InvalidArgument",
		},
	}
}

// TestDifferences asks both, and holds the page of differences against the cases.
func TestDifferences(t *testing.T) {
	page, err := os.ReadFile("../../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(page), "\n# envoyproxy/ratelimit\n")
	named := map[string]bool{}
	for _, found := range regexp.MustCompile("(?m)\\| `([a-z-]+)` \\|$").FindAllStringSubmatch(part, -1) {
		named[found[1]] = true
	}
	o, redis := newOracle(t), needs.Redis(t)
	for name, d := range differences() {
		t.Run(name, func(t *testing.T) {
			theirs, ours := d.run(t, o, redis)
			if diff := cmp.Diff([]string{d.theirs, d.ours}, []string{theirs, ours}); diff != "" {
				t.Errorf("envoyproxy/ratelimit and we (-want +got):\n%s", diff)
			}
			if theirs == ours {
				t.Error("this is no difference")
			}
			if !named[name] {
				t.Error("docs/compatibility.md does not name it")
			}
			delete(named, name)
		})
	}
	if len(named) > 0 {
		t.Errorf("docs/compatibility.md names %v, which are no cases", named)
	}
}

// run asks both in the same order, and says how they answer.
func (d difference) run(t *testing.T, o *oracle, redis *needs.RedisServer) (theirs, ours string) {
	t.Helper()
	text := "domain: bank\ndescriptors: " + d.rules + "\n"
	config, ok := o.load(t, []descriptors.File{fileOf("limits.yaml", text)}, false)
	if !ok {
		t.Fatalf("refused: %s", text)
	}
	c := newClock()
	service := descriptors.New(descriptors.Options{Store: memory.New(memory.Options{Clock: c.Now}), Log: slog.New(slog.DiscardHandler), Now: c.Now})
	service.Use(config)
	o.ask(t, map[string]any{"Serve": map[string]any{"Redis": redis.Socket}})
	o.ask(t, map[string]any{"At": c.Now().Unix()})
	var left, right []string
	for _, text := range d.requests {
		if strings.HasPrefix(text, "[") {
			text = `{"descriptors": ` + text + `}`
		}
		if !strings.Contains(text, `"domain"`) {
			text = strings.Replace(text, "{", `{"domain": "bank", `, 1)
		}
		req := &rlsv3.RateLimitRequest{}
		if err := protojson.Unmarshal([]byte(text), req); err != nil {
			t.Fatal(err)
		}
		left = append(left, o.says(t, text))
		resp, err := service.ShouldRateLimit(t.Context(), req)
		if err != nil {
			right = append(right, "error "+status.Code(err).String())
			continue
		}
		right = append(right, told(resp))
	}
	return strings.Join(left, "|"), strings.Join(right, "|")
}

func (o *oracle) says(t *testing.T, text string) string {
	t.Helper()
	s := o.ask(t, map[string]any{"Ask": json.RawMessage(text)})
	resp := &rlsv3.RateLimitResponse{}
	switch {
	case s.Fell:
		return "it ends"
	case s.Error != "":
		return "error Unknown"
	}
	if err := protojson.Unmarshal(s.Says, resp); err != nil {
		t.Fatal(err)
	}
	return told(resp)
}

func told(resp *rlsv3.RateLimitResponse) string {
	var all []string
	for _, s := range resp.GetStatuses() {
		text := fmt.Sprintf("%s %d", s.GetCode(), s.GetLimitRemaining())
		if s.GetDurationUntilReset() == nil {
			text += " no reset"
		}
		all = append(all, text)
	}
	return strings.Join(all, ",")
}
