# Text of fixed width.

# text_repeat COUNT TEXT: prints the text as often as said, on one line.
text_repeat() {
    local left=$1
    local line=
    while [ "$left" -gt 0 ]; do
        line=$line$2
        left=$((left - 1))
    done
    printf '%s\n' "$line"
}

# text_right WIDTH TEXT: prints the text at the right end of a field of that many columns.
text_right() {
    local missing=$(($1 - ${#2}))
    if [ "$missing" -le 0 ]; then
        printf '%s\n' "$2"
    else
        printf '%s%s\n' "$(text_repeat "$missing" ' ')" "$2"
    fi
}
