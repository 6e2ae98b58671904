# SPDX-License-Identifier: Apache-2.0
# The settings of otad.conf(5), from the same table the program reads: server/core/config.def.
BEGIN { FS = "\"" }
/^SETTING\(/ {
    head = $1; sub(/^SETTING\(/, "", head); split(head, word, /, */)
    section = word[1]; key = word[2]; type = word[3]
    otherwise = $2; help = $(NF - 1)
    words = type == "WORDS" ? $4 : ""
    if (section != last) {
        if (last) print ".El"
        printf ".Ss \\&[%s]\n.Bl -tag -width indent\n", section
        last = section
    }
    gsub(/\|/, ", ", words)
    printf ".It Cm %s\n", key
    gsub(/\\/, "\\e", help)
    # One sentence a line, so that mandoc can space them.
    gsub(/\. /, ".\n", help)
    if (help !~ /\.$/) help = help "."
    print help
    kind["TEXT"] = "Text"; kind["PATH"] = "A path"; kind["NUMBER"] = "A number"
    kind["SECONDS"] = "A duration"; kind["BYTES"] = "A size"; kind["BOOL"] = "yes or no"
    kind["NETWORKS"] = "Networks"
    printf "%s", words ? "One of " words : kind[type]
    print otherwise == "" ? "; empty by default." : "; default " otherwise "."
}
END { print ".El" }
