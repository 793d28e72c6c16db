#!/bin/sh
# What a team's pipeline runs before a change is merged: sh ci.sh TEAM [FLAG...]. The flags, or GATEHOUSE_ADMIN_ADDRESS and
# GATEHOUSE_ADMIN_TOKEN, say which Gatehouse the plan is made against. Exit code 0: it may be merged.
set -eu
team=$1
shift
cd "$(dirname "$0")"
gatehouse validate "$team" --with platform
gatehouse lint "$team" --with platform --fail-on warning
gatehouse posture "$team" --with platform
gatehouse plan "$team" -o "$team.plan" "$@" || [ $? -eq 2 ] # 2: there are changes.
