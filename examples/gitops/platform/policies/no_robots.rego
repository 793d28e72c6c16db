# Turns away what says of itself that it is a robot. No team can take this away from its own APIs.
package platform.no_robots

robot if contains(lower(input.attributes.request.http.headers["user-agent"]), "robot")

allow := {"allowed": false, "reason": "no-robots"} if {
	robot
} else := {"allowed": true}
