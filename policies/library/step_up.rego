# METADATA
# title: Large amounts need a stronger login
# description: |
#   Parameters: amount (where the amount stands in the JSON body, with dots into objects), above (amounts over it need more), acr
#   (values of the token's acr claim, one of which is enough then), and max_age (seconds since auth_time; not looked at where it
#   is not said). The refusal tells the client what to ask its issuer for (RFC 9470, section 3). A body whose amount is missing
#   or no number is refused.
package gatehouse.library.step_up

parameters := input.gatehouse.parameters

amount := value if {
	value := object.get(input.parsed_body, split(parameters.amount, "."), null)
	is_number(value)
}

default allow := {"allowed": false, "reason": "amount-unreadable"}

allow if amount <= parameters.above

else if {
	amount > parameters.above
	input.gatehouse.identity.claims.acr in parameters.acr
	fresh
}

else := {
	"allowed": false,
	"reason": "step-up-needed",
	"http_status": 401,
	"headers": {"www-authenticate": challenge},
} if {
	amount > parameters.above
}

fresh if not parameters.max_age

fresh if (time.now_ns() / 1000000000) - input.gatehouse.identity.claims.auth_time <= parameters.max_age

challenge := sprintf(`Bearer error="insufficient_user_authentication", acr_values="%s", max_age="%d"`, [concat(" ", parameters.acr), parameters.max_age])

challenge := sprintf(`Bearer error="insufficient_user_authentication", acr_values="%s"`, [concat(" ", parameters.acr)]) if {
	not parameters.max_age
}
