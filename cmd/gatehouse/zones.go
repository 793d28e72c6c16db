package main

import _ "time/tzdata" // Quotas are told by time zones, whose rules a small image does not have; the system's own go first.
