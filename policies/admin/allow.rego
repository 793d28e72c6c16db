# METADATA
# title: Who may do what through the management API
# description: |
#   Input: operation, method, path, query (all values of each name), caller (name, role, team, read_only, source), and where
#   they are known: source (which a proposal is for), owner (the team of what is changed), team (of the application that is
#   changed, or whose keys are).
#   Output: verdict, with allow, need (the role that the operation needs) and why (the reason of a denial).
package gatehouse.admin

rank := {"viewer": 1, "member": 2, "operator": 3, "admin": 4}

verdict := {"allow": true, "need": need, "why": ""} if {
	needs[input.operation]
	enough
	count(denials) == 0
} else := {"allow": false, "need": need, "why": concat("; ", sort(denials))}

default need := ""

# need is the least role for this very request.
need := "admin" if keys_wanted

need := needs[input.operation] if not keys_wanted

# Private keys leave with an export only for who may do everything. What is no clear "no" counts as a wish for them.
keys_wanted if {
	input.operation == "exportFleet"
	some value in input.query.keys
	not value in {"false", "0", "f", "F", "FALSE", "False"}
}

denials contains "no rule allows this operation to anybody" if not needs[input.operation]

denials contains sprintf("the role %s is needed, and %s has the role %s", [need, name, role]) if {
	need != ""
	not enough
	name := object.get(input, ["caller", "name"], "nobody")
	role := object.get(input, ["caller", "role"], "none")
}

enough if rank[input.caller.role] >= rank[need]

denials contains "the caller's credential is for reading only" if {
	input.caller.read_only == true
	not input.operation in reads
}

# A caller bound to a source writes by proposals for it alone.
denials contains sprintf("the caller's credential is for the source %q alone", [input.caller.source]) if {
	bound
	not input.operation in reads
	not input.operation in sourced
}

denials contains sprintf("the caller's credential is for the source %q alone", [input.caller.source]) if {
	bound
	input.operation in sourced
	input.source != input.caller.source
}

bound if object.get(input, ["caller", "source"], "") != ""

# A member without a team is a member of nothing.
denials contains "a member must belong to a team" if {
	input.caller.role == "member"
	object.get(input.caller, "team", "") == ""
	not input.operation in reads
}

# Of what is observed a member changes what is the team's.
denials contains sprintf("it belongs to %s, not to the team %s: the role operator is needed for what is another's", [owner, input.caller.team]) if {
	input.caller.role == "member"
	input.operation == "changeEndpoints"
	object.get(input, "owner", "") != input.caller.team
	owner := owner_name
}

# Of applications and their keys a member handles those of the team. Whose it is, is known once the request is read: then it is
# asked again.
denials contains sprintf("the application belongs to %s, not to the team %s: the role operator is needed for what is another's", [team, input.caller.team]) if {
	input.caller.role == "member"
	input.operation in accounts
	input.team != object.get(input.caller, "team", "")
	team := application_team
}

default application_team := "no team"

application_team := sprintf("the team %s", [input.team]) if input.team != ""

default owner_name := "no team"

owner_name := sprintf("the team %s", [input.owner]) if input.owner != ""
