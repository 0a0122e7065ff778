all=$(limbeck --help | awk '/^commands:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }')
for command in '' $all; do
    limbeck $command --help >screen || exit
    awk -v c="$command" 'length > 90 { print c ": too wide: " $0 }
        END { if (NR > 40) print c ": " NR " lines" }' screen
done
grep -c . screen >/dev/null && echo checked
