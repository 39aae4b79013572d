# Days of the week.

# weekday YEAR MONTH DAY: prints which day of its week a date is, from 1 for Monday to 7 for Sunday.
weekday() {
    local year=$1
    local month=$2
    local day=$3
    [ "$month" -gt 2 ] || year=$((year - 1))
    set -- {{offsets}}
    shift "$((month - 1))"
    day=$(((year + year / 4 - year / 100 + year / 400 + $1 + day + 6) % 7))
    echo $((day + 1))
}
