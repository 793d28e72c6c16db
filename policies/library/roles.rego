# METADATA
# title: The caller has one of several roles
# description: |
#   Parameters: any (roles, one of which is needed), and claim (where the token's roles are, with dots into objects; "roles" where
#   it is not said).
package gatehouse.library.roles

default allow := {"allowed": false, "reason": "role-missing"}

allow if {
	some role in input.gatehouse.parameters.any
	role in roles
}

path := split(object.get(input.gatehouse.parameters, "claim", "roles"), ".")

# A claim may be one role, several with blanks between, or a list.
roles := split(value, " ") if {
	value := object.get(input.gatehouse.identity.claims, path, [])
	is_string(value)
} else := value if {
	value := object.get(input.gatehouse.identity.claims, path, [])
	is_array(value)
}
