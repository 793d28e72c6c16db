# METADATA
# title: Requests are taken in working hours
# description: |
#   Parameters: zone (of the IANA time zone database, such as "Europe/Berlin"; "UTC" where it is not said), days (English names of
#   days; Monday to Friday where they are not said), from and until ("08:00"; until may be before from, for a night), and
#   holidays (dates such as "2026-12-25").
package gatehouse.library.hours

default allow := {"allowed": false, "reason": "outside-working-hours"}

zone := object.get(input.gatehouse.parameters, "zone", "UTC")

now := [time.now_ns(), zone]

minutes := (clock[0] * 60) + clock[1] if clock := time.clock(now)

minute_of(text) := (to_number(parts[0]) * 60) + to_number(parts[1]) if {
	regex.match(`^([01][0-9]|2[0-4]):[0-5][0-9]$`, text)
	parts := split(text, ":")
}

from := minute_of(input.gatehouse.parameters.from)

until := minute_of(input.gatehouse.parameters.until)

days := object.get(input.gatehouse.parameters, "days", ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"])

today := sprintf("%d-%02d-%02d", time.date(now))

open if {
	from <= until
	minutes >= from
	minutes < until
}

open if {
	from > until
	minutes >= from
}

open if {
	from > until
	minutes < until
}

allow if {
	open
	time.weekday(now) in days
	not today in object.get(input.gatehouse.parameters, "holidays", [])
}
