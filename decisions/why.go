package decisions

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// Line is one thing to say about a request.
type Line struct {
	About string // "route", "answer", "who", "why", "do", ...
	Text  string
}

// Why says in words what became of a request, from all that was recorded of it. origin tells where the document of a route is
// written, "" where it is not known. Nothing is said about nothing.
func Why(all []gateway.Decision, origin func(api, version, operation string) string) []Line {
	if len(all) == 0 {
		return nil
	}
	d := decisive(all)
	w := &words{d: d}
	w.say("time", "%s", d.Time.UTC().Format(time.RFC3339Nano))
	if d.Node != "" {
		w.say("node", "%s of fleet %s", d.Node, d.Fleet)
	}
	w.say("request", "%s", strings.TrimSpace(d.Method+" "+d.Path))
	w.route(origin)
	w.answer()
	w.who()
	w.say("why", "%s", w.why())
	w.say("do", "%s", w.do())
	for _, s := range d.Shadows {
		w.say("shadow", "the policy %s would have answered: %s%s", s.Policy, s.Result, inBrackets(s.Reason))
	}
	if len(d.Lacks) > 0 {
		w.say("not recorded", "%s", strings.Join(d.Lacks, ", "))
	}
	return slices.DeleteFunc(w.lines, func(l Line) bool { return l.Text == "" })
}

// decisive returns the record that says most about the end of a request: the last refusal, or else the last; with what only another
// record of the same request knows.
func decisive(all []gateway.Decision) *gateway.Decision {
	best := all[len(all)-1]
	for _, d := range all {
		if d.Refused() && (!best.Refused() || rank(&d) >= rank(&best)) {
			best = d
		}
	}
	for _, d := range all {
		if best.API == "" && d.API != "" {
			best.API, best.Version, best.Operation = d.API, d.Version, d.Operation
		}
		best.Path, best.Method = cmp.Or(best.Path, d.Path), cmp.Or(best.Method, d.Method)
		best.Node, best.Fleet = cmp.Or(best.Node, d.Node), cmp.Or(best.Fleet, d.Fleet)
		if best.Identity == nil {
			best.Identity = d.Identity
		}
	}
	return &best
}

// rank tells which of two refusals says more: Gatehouse knows its own reasons, the access log only that there were some.
func rank(d *gateway.Decision) int {
	if d.Code == "" {
		return 0
	}
	return 1
}

// words makes the lines about one decision.
type words struct {
	d     *gateway.Decision
	lines []Line
}

func (w *words) say(about, format string, values ...any) {
	w.lines = append(w.lines, Line{about, fmt.Sprintf(format, values...)})
}

func (w *words) route(origin func(api, version, operation string) string) {
	d := w.d
	if d.API == "" {
		w.say("route", "not known: the rules %q are none that this Gatehouse has", d.Rules)
		return
	}
	name := d.API + "/" + d.Version + "/" + d.Operation
	if d.Version == "" {
		name = "route/" + d.Operation
	}
	if at := origin(d.API, d.Version, d.Operation); at != "" {
		name += ", from " + at
	}
	w.say("route", "%s", name)
}

func (w *words) answer() {
	d := w.d
	if !d.Refused() {
		w.say("answer", "allowed by %s", by(d))
		return
	}
	w.say("answer", "%d, refused by %s", d.Status, by(d))
}

func by(d *gateway.Decision) string {
	if d.By == gateway.ByEnvoy {
		return "Envoy itself"
	}
	return "Gatehouse"
}

func (w *words) who() {
	id := w.d.Identity
	switch {
	case id == nil && w.d.Refused():
		w.say("who", "nobody proved who they are")
		return
	case id == nil:
		return
	}
	text := fmt.Sprintf("%s, proven by %s", cmp.Or(id.Consumer, "somebody"), proof(id.Kind))
	if id.Issuer != "" {
		text += " of " + id.Issuer
	}
	if id.Application != "" {
		text += ", application " + id.Application
	}
	if len(id.Scopes) > 0 {
		text += ", with the scopes " + strings.Join(id.Scopes, " ")
	}
	w.say("who", "%s", text)
}

func proof(kind gateway.ProofKind) string {
	switch kind {
	case gateway.ByJWT, gateway.ByIntrospection:
		return "a token"
	case gateway.ByKey:
		return "an API key"
	case gateway.ByCertificate:
		return "a client certificate"
	case gateway.ByNobody:
		return "nothing, as the API allows"
	}
	return string(kind)
}

// why says in a sentence or two what led to the decision.
func (w *words) why() string {
	d := w.d
	switch {
	case !d.Refused():
		if d.Code == gateway.ProblemAuthzAway || d.Code == gateway.ProblemLimitsAway {
			return "Gatehouse could not be asked, and the API says that its requests pass then (when-away: open)."
		}
		return "Identity, requirements and policies allow it."
	case d.Result == gateway.ResultLimited:
		return "The limit " + cmp.Or(d.Reason, "(its name was not told)") + " is reached."
	case d.Code == gateway.ProblemRulesUnknown:
		return "This Gatehouse does not know the rules that the Envoy's route carries: the Envoy has a newer or much older configuration."
	case d.Code == gateway.ProblemAuthzAway:
		return "The Envoy could not ask Gatehouse for authorization, or got no answer in time, and the API fails closed."
	case d.Code == gateway.ProblemLimitsAway:
		return "The Envoy could not ask for the limits, and the API fails closed."
	case d.Code == gateway.ProblemPolicyFailed:
		return fmt.Sprintf("The policy %s came to no decision%s.", d.Policy, inBrackets(d.Reason))
	case d.Policy != "" && d.Reason == "undefined":
		return fmt.Sprintf("The policy %s says nothing about this request, and what it does not allow is denied.", d.Policy)
	case d.Policy != "":
		return fmt.Sprintf("The policy %s denied it%s.", d.Policy, inBrackets(d.Reason))
	}
	return w.whyNot()
}

// whyNot is why for refusals without a policy.
func (w *words) whyNot() string {
	d := w.d
	reason, scope := strings.CutPrefix(d.Reason, envoy.RefusedScope)
	claim, claimed := strings.CutPrefix(d.Reason, envoy.RefusedClaim)
	switch {
	case scope:
		return "The token lacks a scope that this operation needs: " + reason + "."
	case claimed:
		return "The claim " + claim + " of the token is not what this operation needs."
	case d.Reason == envoy.RefusedIdentity:
		return "Nothing that the caller showed proves an identity that this operation accepts."
	case d.Reason == envoy.RefusedDecision:
		return "The authorization should have decided and did not."
	case d.Reason == envoy.RefusedPath:
		return "The path can be read in two ways."
	case d.Reason == envoy.RefusedToken:
		return "Beside the verified token stands something else in the Authorization header."
	case d.Reason == "none":
		return "No rule of the guard allows it: it lacks a proof, a scope or a claim that this operation needs."
	case d.Status == 401:
		return sentence(cmp.Or(d.Detail, d.Reason), d.Reason)
	case d.Reason != "":
		return "It does not meet the requirement " + d.Reason + sentenceEnd(d.Detail)
	}
	return sentence(d.Detail, "")
}

// sentence joins what the caller was told with a reason that says more.
func sentence(detail, reason string) string {
	detail = strings.TrimSuffix(detail, ".")
	if detail == "" {
		return ""
	}
	if reason != "" && reason != detail {
		detail += inBrackets(reason)
	}
	return detail + "."
}

func sentenceEnd(detail string) string {
	if detail == "" {
		return "."
	}
	return ": " + strings.TrimSuffix(detail, ".") + "."
}

func inBrackets(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// do says what may help.
func (w *words) do() string {
	d := w.d
	switch {
	case !d.Refused():
		return ""
	case d.Result == gateway.ResultLimited:
		return "Come back when Retry-After says; or raise the limit under limits."
	case d.Code == gateway.ProblemRulesUnknown:
		return `Try again in a second. If it stays, compare "gatehouse nodes" with "gatehouse history": the Envoy must be one of this Gatehouse's.`
	case d.Code == gateway.ProblemAuthzAway, d.Code == gateway.ProblemLimitsAway:
		return "See whether Gatehouse runs and answers in time (gatehouse serve --check), and timeouts of the Gateway."
	case d.Code == gateway.ProblemPolicyFailed:
		return "Mend the policy: the daemon's log names the error. A policy that needs long must do less, or get a longer limit."
	case d.Policy != "":
		return "If it should be allowed, change the policy, what it is given as parameters or data, or what the caller may."
	case d.Status == 401 && strings.Contains(strings.ToLower(d.Detail+d.Reason), "expired"):
		return "Get a new token."
	case d.Status == 401:
		return "Send a token, a key or a certificate that this operation accepts: see authenticate."
	}
	return "Ask for what is missing where the caller got its credentials, or change authenticate or require of the operation."
}
