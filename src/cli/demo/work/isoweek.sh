# Weeks as ISO 8601 counts them: from Monday, and the first of a year holds its first Thursday.

# isoweek_count YEAR: prints how many weeks the year has.
isoweek_count() {
    local first
    first=$(weekday "$1" 1 1)
    if [ "$first" -eq 4 ]; then
        echo 53
    elif [ "$first" -eq 3 ] && calendar_leap "$1"; then
        echo 53
    else
        echo 52
    fi
}

# isoweek YEAR MONTH DAY: prints the number of the week that a date lies in, from 1.
isoweek() {
    local week
    week=$((($(yearday "$1" "$2" "$3") - $(weekday "$1" "$2" "$3") + 10) / 7))
    if [ "$week" -lt 1 ]; then
        isoweek_count "$(($1 - 1))"
    elif [ "$week" -gt "$(isoweek_count "$1")" ]; then
        echo 1
    else
        echo "$week"
    fi
}
