#!/bin/sh
# What to run before a change is merged: exit code 0 if it is good. GATEHOUSE_ADMIN_ADDRESS and GATEHOUSE_ADMIN_TOKEN say
# which Gatehouse the plan is made against; without them only the documents are looked at.
set -eu
cd "$(dirname "$0")"
gatehouse validate .
if [ -n "${GATEHOUSE_ADMIN_ADDRESS:-}" ]; then
	gatehouse plan . || [ $? -eq 2 ] # 2: there are changes.
fi
