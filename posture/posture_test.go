package posture_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/posture"
)

// open is a revision that anybody may call, by plain HTTP.
func open(t *testing.T) *gateway.Revision {
	t.Helper()
	docs := &gateway.Documents{
		Gateways:  []*gateway.Gateway{{Name: "edge", Listeners: []gateway.Listener{{Name: "http", Address: "0.0.0.0", Port: 80, Hosts: []string{"api.bank.test"}}}}},
		Upstreams: []*gateway.Upstream{{Name: "payments", Endpoints: []gateway.Endpoint{{Address: "127.0.0.1:9001"}}}},
		APIs: []*gateway.API{{
			Kind: gateway.KindAPI, Name: "payments", Version: "v1", Expose: []gateway.Exposure{{Gateway: "edge", Base: "/payments"}},
			To: []gateway.Destination{{Upstream: "payments", Weight: 1}}, Authenticate: &gateway.Authenticate{None: true},
			Operations: []gateway.Operation{{ID: "all", Match: gateway.Match{Path: gateway.Path{Prefix: true}}}},
		}},
	}
	rev, faults := gateway.Assemble(docs, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return rev
}

func rules(findings []posture.Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, f.Rule)
	}
	return out
}

func day(t *testing.T, text string) time.Time {
	t.Helper()
	d, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWorstComesFirst(t *testing.T) {
	if got := rules(posture.Findings(posture.Subject{Revision: open(t)})); !slices.Equal(got, []string{"GS020", "GS001", "GS002"}) {
		t.Errorf("findings %v", got)
	}
	if got := posture.Findings(posture.Subject{}); got != nil {
		t.Errorf("without a revision: %v", got)
	}
}

// TestWhatIsNotKnownIsNotSaid gives, then withholds, what rules need beside the revision.
func TestWhatIsNotKnownIsNotSaid(t *testing.T) {
	rev := open(t)
	rev.Certificates = []*gateway.Certificate{{Name: "bank"}}
	rev.Policies = []*gateway.Policy{{Name: "p", Source: "package p"}}
	now := day(t, "2027-01-01")
	full := posture.Subject{
		Revision: rev, Now: now, Admin: "192.0.2.1:9000", Certificates: map[string]gateway.KeyPair{"bank": {Until: now.AddDate(0, 0, 29)}},
		Rego: func(*gateway.Policy) (posture.Rego, bool) { return posture.Rego{Allows: true}, true },
	}
	for _, rule := range []string{"GS007", "GS025", "GS026"} {
		if !slices.Contains(rules(posture.Findings(full)), rule) {
			t.Errorf("%s does not fire", rule)
		}
		if slices.Contains(rules(posture.Findings(posture.Subject{Revision: rev})), rule) {
			t.Errorf("%s fires without what it needs", rule)
		}
	}
	full.Certificates["bank"] = gateway.KeyPair{Until: now.AddDate(0, 0, 31)}
	if slices.Contains(rules(posture.Findings(full)), "GS025") {
		t.Error("GS025 fires for a certificate that is valid for 31 days")
	}
}

func TestNew(t *testing.T) {
	before := posture.Findings(posture.Subject{Revision: open(t)})
	rev := open(t)
	rev.Issuers = []*gateway.Issuer{{Name: "bank"}}
	after := posture.Findings(posture.Subject{Revision: rev})
	if got := rules(posture.New(before, after)); !slices.Equal(got, []string{"GS004"}) {
		t.Errorf("new findings %v", got)
	}
	if got := posture.New(after, before); len(got) != 0 {
		t.Errorf("a finding that is mended is new: %v", got)
	}
}

// TestWarnings writes findings as faults, with what to do in the same line.
func TestWarnings(t *testing.T) {
	got := posture.Warnings(waived(t))
	if len(got) != 2 || got[0].Code != "GS020" || !strings.HasSuffix(got[0].Message, "by plain HTTP only: add a listener with `tls`, and let this one say `redirect: https`") {
		t.Errorf("warnings %v", got)
	}
	if text, ok := posture.Explain("gs020"); !ok || !strings.HasPrefix(text, "GS020 Clients are served") {
		t.Errorf("%q, %t", text, ok)
	}
	if _, ok := posture.Explain("GS999"); ok {
		t.Error("GS999 is explained")
	}
}

// TestWaive waives by rule, object, field and day.
func TestWaive(t *testing.T) {
	findings := posture.Findings(posture.Subject{Revision: open(t)})
	waiver := posture.Waiver{Rule: "GS001", Object: "API payments/v1", Reason: "prices", Until: day(t, "2027-01-31")}
	look := func(w posture.Waiver, now string) (counts, all []string) {
		t.Helper()
		at := day(t, now).Add(23 * time.Hour)
		got := posture.Waive(findings, []posture.Waiver{w}, posture.Security(), at)
		return rules(posture.Worst(got, posture.Info)), rules(got)
	}
	for name, test := range map[string]struct {
		change func(*posture.Waiver)
		now    string
		want   []string
	}{
		"covers":            {func(*posture.Waiver) {}, "2027-01-31", []string{"GS020", "GS002"}},
		"every object":      {func(w *posture.Waiver) { w.Object = "*" }, "2027-01-31", []string{"GS020", "GS002"}},
		"by field":          {func(w *posture.Waiver) { w.Field = "authenticate" }, "2027-01-31", []string{"GS020", "GS002"}},
		"expired":           {func(*posture.Waiver) {}, "2027-02-01", []string{"GS020", "GS090", "GS001", "GS002"}},
		"another object":    {func(w *posture.Waiver) { w.Object = "API cards/v1" }, "2027-01-31", []string{"GS020", "GS001", "GS002", "GS091"}},
		"another field":     {func(w *posture.Waiver) { w.Field = "to" }, "2027-01-31", []string{"GS020", "GS001", "GS002", "GS091"}},
		"a rule of style's": {func(w *posture.Waiver) { w.Rule = "GL001" }, "2027-01-31", []string{"GS020", "GS001", "GS002"}},
	} {
		w := waiver
		test.change(&w)
		counts, _ := look(w, test.now)
		slices.Sort(counts)
		slices.Sort(test.want)
		if !slices.Equal(counts, test.want) {
			t.Errorf("%s: %v count, want %v", name, counts, test.want)
		}
	}
	if _, all := look(waiver, "2027-01-31"); !slices.Contains(all, "GS001") {
		t.Error("what is waived is not shown at all")
	}
	if findings[1].Waived != nil {
		t.Error("the findings themselves were changed")
	}
}

// TestRulesAreWellFormed holds the rules to their own form.
func TestRulesAreWellFormed(t *testing.T) {
	seen := map[string]bool{}
	for prefix, list := range map[string][]posture.Rule{"GS": posture.Security(), "GL": posture.Style()} {
		last := ""
		for _, r := range list {
			if !regexp.MustCompile(`^`+prefix+`\d{3}$`).MatchString(r.ID) || seen[r.ID] || r.ID <= last {
				t.Errorf("%s: no number of its own, in order", r.ID)
			}
			seen[r.ID], last = true, r.ID
			if r.Title == "" || !strings.HasSuffix(r.Why, ".") || r.Fix == "" || strings.HasSuffix(r.Fix, ".") || !slices.Contains(posture.Severities(), r.Severity) {
				t.Errorf("%s is not complete: %+v", r.ID, r)
			}
		}
	}
}

func waived(t *testing.T) []posture.Finding {
	t.Helper()
	findings := posture.Findings(posture.Subject{Revision: open(t)})
	return posture.Waive(findings, []posture.Waiver{{Rule: "GS001", Object: "*", Reason: "prices", Until: day(t, "2027-01-31")}}, posture.Security(), day(t, "2027-01-01"))
}

func TestSARIF(t *testing.T) {
	var out bytes.Buffer
	findings := waived(t)
	findings[0].Place = gateway.Place{File: "./bank/gateway.yaml", Line: 3, Column: 2}
	if err := posture.SARIF(&out, findings, posture.Security(), "v1"); err != nil {
		t.Fatal(err)
	}
	var log struct {
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Rules []struct{ ID string }
				}
			}
			Results []struct {
				RuleID       string
				RuleIndex    int
				Level        string
				Suppressions []struct{ Justification string }
				Locations    []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine, StartColumn int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if log.Version != "2.1.0" || len(run.Results) != 3 || len(run.Tool.Driver.Rules) != len(posture.Security()) {
		t.Fatalf("%s", out.String())
	}
	for _, r := range run.Results {
		if run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("%s points to the rule %s", r.RuleID, run.Tool.Driver.Rules[r.RuleIndex].ID)
		}
		if (r.RuleID == "GS001") != (len(r.Suppressions) == 1) {
			t.Errorf("%s: suppressions %v", r.RuleID, r.Suppressions)
		}
	}
	first := run.Results[0]
	if at := first.Locations[0].PhysicalLocation; first.Level != "error" || at.ArtifactLocation.URI != "bank/gateway.yaml" || at.Region.StartLine != 3 {
		t.Errorf("%+v", first)
	}
}

func TestJUnit(t *testing.T) {
	var out bytes.Buffer
	if err := posture.JUnit(&out, waived(t), posture.Security(), posture.High); err != nil {
		t.Fatal(err)
	}
	var suites struct {
		Suite struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Skipped  int `xml:"skipped,attr"`
			Cases    []struct {
				Class   string    `xml:"classname,attr"`
				Failure *struct{} `xml:"failure"`
				Skipped *struct{} `xml:"skipped"`
				Out     string    `xml:"system-out"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(out.Bytes(), &suites); err != nil {
		t.Fatal(err)
	}
	s := suites.Suite
	if s.Tests != len(posture.Security()) || s.Tests != len(s.Cases) || s.Failures != 1 || s.Skipped != 1 {
		t.Errorf("%+v", s)
	}
	for _, c := range s.Cases {
		if (c.Class == "GS020") != (c.Failure != nil) || (c.Class == "GS001") != (c.Skipped != nil) || (c.Class == "GS002") != (c.Out != "") {
			t.Errorf("%+v", c)
		}
	}
}
