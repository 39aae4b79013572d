# Days of the year.

# yearday YEAR MONTH DAY: prints which day of its year a date is, from 1.
yearday() {
    local month=$2
    local day=$3
    set -- 0 31 59 90 120 151 181 212 243 273 304 334
    shift "$((month - 1))"
    echo $((day + $1))
}
