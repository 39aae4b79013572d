# Tests of lib/numbers.sh.

holds 'zero is a number' number_valid 0
holds 'digits are a number' number_valid 2024
refuses 'nothing is no number' number_valid ''
refuses 'a leading zero is refused' number_valid 07
refuses 'a sign is refused' number_valid -1

holds 'four divides eight' number_divides 4 8
refuses 'four does not divide nine' number_divides 4 9

holds 'the lower end is included' number_between 1 12 1
holds 'the upper end is included' number_between 1 12 12
refuses 'below' number_between 1 12 0
refuses 'above' number_between 1 12 13
