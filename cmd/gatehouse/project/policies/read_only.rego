# Lets through what only reads. Its tests are beside it; "gatehouse plan" runs them.
package {{.Policy}}.read_only

allow := {"allowed": true} if {
	input.attributes.request.http.method in {"GET", "HEAD"}
} else := {"allowed": false, "reason": "read-only"}
