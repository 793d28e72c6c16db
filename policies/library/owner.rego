# METADATA
# title: The caller owns the object that the path names
# description: |
#   OWASP API1, broken object level authorization: who may call an operation may not thereby see every object.
#   Parameters: parameter (of the path template, that names the object or its owner), claim (of the token, with dots into
#   objects, that says who or what the caller is, or lists what is theirs; "sub" where it is not said), and unless (roles in the
#   claim "roles" that may see every object).
package gatehouse.library.owner

default allow := {"allowed": false, "reason": "not-the-owner"}

path := split(object.get(input.gatehouse.parameters, "claim", "sub"), ".")

wanted := value if {
	value := input.gatehouse.path[input.gatehouse.parameters.parameter]
	value != ""
}

mine := object.get(input.gatehouse.identity.claims, path, null)

allow if mine == wanted

allow if {
	is_number(mine)
	format_int(mine, 10) == wanted
}

allow if {
	is_array(mine)
	wanted in mine
}

allow if {
	some role in input.gatehouse.parameters.unless
	role in input.gatehouse.identity.claims.roles
}
