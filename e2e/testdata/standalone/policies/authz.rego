package envoy.authz

import input.attributes.request.http as http_request

default allow := {"allowed": false, "http_status": 403, "headers": {"x-reason": "no role"}, "body": "not for you\n"}

allow := {"allowed": true, "headers": {"x-user": name}, "request_headers_to_remove": ["authorization"], "response_headers_to_add": {"x-decided": "by rego"}} if {
	some role in data.roles[name]
	some permission in data.permissions[role]
	permission.method == http_request.method
	glob.match(permission.path, ["/"], http_request.path)
	not too_much
}

name := user if {
	[_, encoded] := split(http_request.headers.authorization, " ")
	[user, _] := split(base64.decode(encoded), ":")
}

# Nobody employs himself, and a body that came in part decides nothing.
too_much if input.parsed_body.firstname == name

too_much if input.truncated_body
