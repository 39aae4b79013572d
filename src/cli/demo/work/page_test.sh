# Tests of lib/page.sh.

# row NUMBER: prints that line of what it reads, from 1.
row() {
    local number=0
    local line
    while IFS= read -r line; do
        number=$((number + 1))
        [ "$number" -ne "$1" ] || printf '%s\n' "$line"
    done
}

equal 'the heading' 'Wk  Mo Tu We Th Fr Sa Su' "$(page_month 2021 1 | row 1)"
equal 'a first week from Friday' '53               1  2  3' "$(page_month 2021 1 | row 2)"
equal 'a last week of seven days' ' 4  25 26 27 28 29 30 31' "$(page_month 2021 1 | row 6)"
equal 'a month that begins on a Monday' ' 5   1  2  3  4  5  6  7' "$(page_month 2021 2 | row 2)"
equal 'and ends on a Sunday' ' 8  22 23 24 25 26 27 28' "$(page_month 2021 2 | row 5)"
equal 'a last week of two days' '40  30' "$(page_month 2024 9 | row 7)"
