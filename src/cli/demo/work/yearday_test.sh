# Tests of lib/yearday.sh.

equal 'the first day' 1 "$(yearday 2023 1 1)"
equal 'the last day' 365 "$(yearday 2023 12 31)"
equal 'the last day of a leap year' 366 "$(yearday 2024 12 31)"
equal 'the day after february' 60 "$(yearday 1900 3 1)"
equal 'the day after february of a leap year' 61 "$(yearday 2000 3 1)"
