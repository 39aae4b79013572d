# Runs one file of tests: sh tools/harness.sh tests/NAME_test.sh
#
# Tells what failed, and at its end how many checks there were.
# Fails when a check failed, or when there was none.
# The library is loaded from the folder LIBRARY, or from lib.

tests=$1
checks=0
failed=0

# equal WHAT EXPECTED ACTUAL: both texts are the same.
equal() {
    checks=$((checks + 1))
    [ "$2" = "$3" ] && return
    failed=$((failed + 1))
    echo "FAIL $tests: $1: expected '$2', got '$3'"
}

# holds WHAT COMMAND...: the command succeeds.
holds() {
    local what=$1
    shift
    "$@" && equal "$what" yes yes || equal "$what" yes no
}

# refuses WHAT COMMAND...: the command fails.
refuses() {
    local what=$1
    shift
    "$@" && equal "$what" no yes || equal "$what" no no
}

for file in lib/*.sh; do
    . "${LIBRARY:-lib}/${file#lib/}"
done
. "$tests"
echo "$tests: $checks checks, $failed failed"
[ "$checks" -gt 0 ] && [ "$failed" -eq 0 ]
