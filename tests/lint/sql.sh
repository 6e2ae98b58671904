#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Asks SQLite for the plan of every named statement in server/store/*.sql. Refuses what it cannot parse
# against schema/, and reading a whole growing table or index, unless the statement says why that is
# right in a comment line `-- scan: …`.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Tables that stay small, whatever the fleet does.
small='tenant|sequence|operator|operator_certificate|product|channel|campaign|wave|deployment_count'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat schema/[0-9]*.sql | sqlite3 -bail "$work/db"

# One file per statement, called <record>.<name>.
for file in server/store/*.sql; do
    record=$(basename "$file" .sql)
    awk -v to="$work/$record." '/^-- name: / { out = to $3 } out { print > out }' "$file"
done

failed=0
complain() {
    echo "$1: $2" >&2
    failed=1
}

# The table behind a name in the plan, which shows aliases only.
table_of() { # statement, name
    tr '\n' ' ' < "$1" | grep -oiE "(FROM|JOIN|INTO|UPDATE|,)[ ]+[a-z_]+[ ]+(AS[ ]+)?$2\b" |
        head -1 | awk '{ print $2 }' | grep -E . || echo "$2"
}

shopt -s nullglob
for statement in "$work"/*.*; do
    name=$(basename "$statement")
    if ! plan=$({ echo 'EXPLAIN QUERY PLAN'; cat "$statement"; } | sqlite3 -bail "$work/db" 2>&1); then
        complain "$name" "$plan"
        continue
    fi
    grep -q '^-- scan: .' "$statement" && continue
    while read -r scanned; do
        table=$(table_of "$statement" "$scanned")
        # Only tables of the schema count: not VALUES, json_each or a subquery.
        sqlite3 "$work/db" "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = '$table'" |
            grep -q . || continue
        [[ $table =~ ^($small)$ ]] || complain "$name" "reads the whole of $table"
    done < <(sed -nE 's/^.*[-`]--SCAN ([a-zA-Z_]+).*/\1/p' <<< "$plan")
done
exit $failed
