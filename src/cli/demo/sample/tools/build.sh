# Reads every script without running it.
# Fails when one is not shell, or when there is none.

count=0
broken=0
for file in lib/*.sh tests/*.sh examples/*.sh tools/*.sh; do
    [ -f "$file" ] || continue
    count=$((count + 1))
    sh -n "$file" || broken=$((broken + 1))
done
echo "$count scripts read, $broken broken"
[ "$count" -gt 0 ] && [ "$broken" -eq 0 ]
