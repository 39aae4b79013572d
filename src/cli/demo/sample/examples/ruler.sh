# Prints a ruler of thirty columns; run it from the top of the repository.

. lib/text.sh

for mark in 10 20 30; do
    printf '%s' "$(text_right 10 "$mark")"
done
printf '\n%s\n' "$(text_repeat 30 '-')"
