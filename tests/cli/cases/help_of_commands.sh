for command in distill compare sweep eval run inspect fit loss prune quantize emit prove bench runs report losses models devices data; do
    limbeck $command --help || exit
    echo ----
done
