# Turns a file of named statements into C strings:  -- name: device_find  ->  device_find_sql
function finish() { if (name) print "    ;" }
/^-- name: / { finish(); name = $3; printf "static const char %s_sql[] =\n", name; next }
/^[ \t]*--/ || !name { next }
/[^ \t]/ { sub(/;[ \t]*$/, ""); gsub(/\\/, "\\\\"); gsub(/"/, "\\\""); printf "    \"%s\\n\"\n", $0 }
END { finish() }
