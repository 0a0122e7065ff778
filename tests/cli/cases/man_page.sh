# well-formed troff that names every command and option
limbeck --man >page || exit
for command in $(limbeck --help | awk '/^commands:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }'); do
    grep -q "^.SS $command" page || echo "no $command"
    for option in $(limbeck $command --help | grep -o -e ' --[a-z-]*' | sort -u); do
        grep -qF -e "$(echo "$option" | sed 's/-/\\-/g')" page || echo "no $option of $command"
    done
done
if command -v groff >/dev/null; then groff -man -ww -Tascii page 2>&1 >/dev/null; fi
head -n 3 page | sed 's/"limbeck [0-9.]*"/VERSION/'
