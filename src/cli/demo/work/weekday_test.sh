# Tests of lib/weekday.sh.

equal 'a monday' 1 "$(weekday 1900 1 1)"
equal 'a leap day' 4 "$(weekday 2024 2 29)"
equal 'the day after it' 5 "$(weekday 2024 3 1)"
equal 'a sunday' 7 "$(weekday 2023 12 31)"
equal 'the landing on the moon' 7 "$(weekday 1969 7 20)"
