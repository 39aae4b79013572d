# Years and months of the Gregorian calendar.

# calendar_leap YEAR: whether the year has 366 days.
calendar_leap() {
    if number_divides 100 "$1"; then
        number_divides 400 "$1"
    else
        number_divides 4 "$1"
    fi
}

# calendar_days YEAR MONTH: prints how many days the month has.
calendar_days() {
    case $2 in
        2) calendar_leap "$1" && echo 29 || echo 28 ;;
        4 | 6 | 9 | 11) echo 30 ;;
        *) echo 31 ;;
    esac
}
