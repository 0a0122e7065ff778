for command in '' distill compare sweep eval run inspect fit loss emit prove bench runs report losses models devices data; do
    limbeck $command --help >screen || exit
    awk -v c="$command" 'length > 90 { print c ": too wide: " $0 }
        END { if (NR > 40) print c ": " NR " lines" }' screen
done
grep -c . screen >/dev/null && echo checked
