package gatehouse.library.hours_test

import data.gatehouse.library.hours

day := {"zone": "Europe/Berlin", "from": "08:00", "until": "18:00"}

at(text) := time.parse_rfc3339_ns(text)

asked(parameters) := {"gatehouse": {"parameters": parameters}}

test_open if hours.allow == true with input as asked(day) with time.now_ns as at("2026-11-23T07:00:00Z")

test_before if hours.allow.reason == "outside-working-hours" with input as asked(day) with time.now_ns as at("2026-11-23T06:59:59Z")

test_until_is_not_within if hours.allow.allowed == false with input as asked(day) with time.now_ns as at("2026-11-23T17:00:00Z")

test_summer_time if hours.allow == true with input as asked(day) with time.now_ns as at("2026-07-20T06:00:00Z")

test_weekend if hours.allow.allowed == false with input as asked(day) with time.now_ns as at("2026-11-22T10:00:00Z")

test_said_days if hours.allow == true with input as asked(object.union(day, {"days": ["Sunday"]})) with time.now_ns as at("2026-11-22T10:00:00Z")

test_holiday if hours.allow.allowed == false with input as asked(object.union(day, {"holidays": ["2026-12-25"]})) with time.now_ns as at("2026-12-25T10:00:00Z")

test_night if hours.allow == true with input as asked({"from": "22:00", "until": "06:00"}) with time.now_ns as at("2026-11-23T23:30:00Z")

test_night_is_over if hours.allow.allowed == false with input as asked({"from": "22:00", "until": "06:00"}) with time.now_ns as at("2026-11-23T07:30:00Z")

test_whole_day if hours.allow == true with input as asked({"from": "00:00", "until": "24:00"}) with time.now_ns as at("2026-11-23T23:59:59Z")

test_bad_time if hours.allow.allowed == false with input as asked({"from": "8", "until": "18:00"}) with time.now_ns as at("2026-11-23T10:00:00Z")
