# Pages of a calendar.

# page_month YEAR MONTH: prints a month, a line for each week, with the week's number in front.
page_month() {
    local day=1
    local last column line
    last=$(calendar_days "$1" "$2")
    column=$(weekday "$1" "$2" 1)
    line=$(text_repeat "$((column - 1))" '   ')
    echo 'Wk  Mo Tu We Th Fr Sa Su'
    while [ "$day" -le "$last" ]; do
        line="$line $(text_right 2 "$day")"
        if [ "$column" -eq 7 ] || [ "$day" -eq "$last" ]; then
            echo "$(text_right 2 "$(isoweek "$1" "$2" "$day")") $line"
            column=0
            line=
        fi
        column=$((column + 1))
        day=$((day + 1))
    done
}
