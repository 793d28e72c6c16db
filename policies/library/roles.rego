# METADATA
# title: The caller has one of several roles
# description: |
#   Parameters: any (roles, one of which is needed), and claim (where the token's roles are, with dots into objects; "roles" where
#   it is not said).
package gatehouse.library.roles

default allow := {"allowed": false, "reason": "role-missing"}

claims := input.gatehouse.identity.claims

path := split(object.get(input.gatehouse.parameters, "claim", "roles"), ".")

# A rule for each depth, so that a claim that is not deep is one that Envoy can look at by itself.
allow if {
	count(path) == 1
	some role in input.gatehouse.parameters.any
	held(role, claims[path[0]])
}

allow if {
	count(path) == 2
	some role in input.gatehouse.parameters.any
	held(role, claims[path[0]][path[1]])
}

allow if {
	count(path) == 3
	some role in input.gatehouse.parameters.any
	held(role, claims[path[0]][path[1]][path[2]])
}

allow if {
	count(path) > 3
	some role in input.gatehouse.parameters.any
	held(role, object.get(claims, path, []))
}

# A claim may be one role, several with blanks between, or a list.
held(role, value) if {
	is_array(value)
	role in value
}

held(role, value) if {
	not contains(role, " ")
	regex.match(sprintf("(^| )%s( |$)", [regex.replace(role, `[\\.+*?()|\[\]{}^$]`, `\$0`)]), value)
}
