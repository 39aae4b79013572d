# Whole numbers.

# number_valid TEXT: whether the text is a whole number from 0 up, without leading zeros.
number_valid() {
    case $1 in
        0) return 0 ;;
        '' | 0* | *[!0-9]*) return 1 ;;
    esac
}

# number_divides DIVISOR NUMBER: whether the number is a multiple of the divisor.
number_divides() {
    [ $(($2 % $1)) -eq 0 ]
}

# number_between LOW HIGH NUMBER: whether the number lies between both, the ends included.
number_between() {
    [ "$3" -ge "$1" ] && [ "$3" -le "$2" ]
}
