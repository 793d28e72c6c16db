package platform.no_robots_test

import data.platform.no_robots

asking(agent) := {"attributes": {"request": {"http": {"headers": {"user-agent": agent}}}}}

test_people_come_in if {
	no_robots.allow.allowed with input as asking("curl/8.0")
}

test_robots_do_not if {
	decision := no_robots.allow with input as asking("Nordlicht-Robot/2")
	decision == {"allowed": false, "reason": "no-robots"}
}
