# Days of the year.

# yearday YEAR MONTH DAY: prints which day of its year a date is, from 1.
yearday() {
    local month=1
    local day=$3
    while [ "$month" -lt "$2" ]; do
        day=$((day + $(calendar_days "$1" "$month")))
        month=$((month + 1))
    done
    echo "$day"
}
