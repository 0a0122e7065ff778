limbeck runs
limbeck runs --json
ls -A
