package rollout

import "fmt"

// Code names a reason; it never changes its meaning.
type Code string

// The codes of reasons.
const (
	CodeRefusal      Code = "refusal"      // Envoys refuse a resource, and none of their version accepts it.
	CodeErrors       Code = "5xx"          // The share of 5xx answers.
	CodeLatency      Code = "p99"          // The 99th percentile of the latency.
	CodeDenials      Code = "denials"      // The share of requests that authentication or authorization denied.
	CodeRequests     Code = "requests"     // Too few requests to judge by.
	CodeUnanswered   Code = "unanswered"   // A node has not acknowledged.
	CodeDisconnected Code = "disconnected" // No node of the wave is connected.
	CodeSoak         Code = "soak"         // The wave is watched for a while.
	CodeTrial        Code = "trial"        // The wave's only node refuses: one more is tried.
	CodeOperator     Code = "operator"     // Somebody said so.
	CodeSuperseded   Code = "superseded"   // A newer version came.
)

// Reason says why a rollout waits, is paused, or ended.
type Reason struct {
	Code Code   `json:"code"`
	Text string `json:"text"`
}

// String returns the code and the text.
func (r *Reason) String() string {
	if r == nil {
		return ""
	}
	return string(r.Code) + ": " + r.Text
}

func because(code Code, format string, args ...any) *Reason {
	return &Reason{Code: code, Text: fmt.Sprintf(format, args...)}
}

// percent writes a share.
func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }
