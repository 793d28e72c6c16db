# METADATA
# title: Nothing is served during maintenance
# description: |
#   Parameters: from and until (RFC 3339; a missing one is for ever), and unless (roles in the claim "roles" that are served all the
#   same, to try what was done). The refusal is 503, with Retry-After where the end is known.
package gatehouse.library.maintenance

parameters := input.gatehouse.parameters

begun if not parameters.from

begun if time.now_ns() >= time.parse_rfc3339_ns(parameters.from)

ended if time.now_ns() >= time.parse_rfc3339_ns(parameters.until)

# A time that cannot be read closes rather than opens.
closed if {
	begun
	not ended
}

closed if {
	parameters.from
	not time.parse_rfc3339_ns(parameters.from)
}

excepted if {
	some role in parameters.unless
	role in input.gatehouse.identity.claims.roles
}

wait := max([1, ceil((time.parse_rfc3339_ns(parameters.until) - time.now_ns()) / 1000000000)])

headers := {"retry-after": sprintf("%d", [wait])}

default allow := false

allow if not closed

else if excepted

else := {"allowed": false, "reason": "maintenance", "http_status": 503, "headers": headers} if headers

else := {"allowed": false, "reason": "maintenance", "http_status": 503}
