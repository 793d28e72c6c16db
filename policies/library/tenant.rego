# METADATA
# title: The caller stays within their tenant
# description: |
#   Parameters: claim (of the token, that says the caller's tenant; "tenant" where it is not said), and where the request says the
#   tenant: parameter (of the path template), header, or host (true: the first label of the host). A request that says a tenant
#   in none of these ways, or in two ways differently, is refused.
package gatehouse.library.tenant

default allow := {"allowed": false, "reason": "other-tenant"}

request := input.attributes.request.http

path := split(object.get(input.gatehouse.parameters, "claim", "tenant"), ".")

own := value if {
	value := object.get(input.gatehouse.identity.claims, path, "")
	is_string(value)
	value != ""
}

said contains input.gatehouse.path[input.gatehouse.parameters.parameter]

said contains request.headers[lower(input.gatehouse.parameters.header)]

said contains split(request.host, ".")[0] if input.gatehouse.parameters.host

allow if said == {own}
