# Runs all tests, each file in a shell of its own. Fails when one fails, or when there is none.

files=0
bad=0
for file in tests/*_test.sh; do
    [ -f "$file" ] || continue
    files=$((files + 1))
    said=$(sh tools/harness.sh "$file" 2>&1)
    code=$?
    printf '%s\n' "$said"
    # A file that ends the shell by itself has not told how many checks it held.
    case $said in
        *' checks, 0 failed') [ "$code" -eq 0 ] && continue ;;
        *' failed') ;;
        *) echo "FAIL $file: ended before its last check (exit $code)" ;;
    esac
    bad=$((bad + 1))
done
echo "$files files of tests, $bad of them failed"
[ "$files" -gt 0 ] && [ "$bad" -eq 0 ]
