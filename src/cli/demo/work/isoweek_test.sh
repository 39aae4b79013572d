# Tests of lib/isoweek.sh.

equal 'a common year' 52 "$(isoweek_count 2023)"
equal 'a year that begins on a thursday' 53 "$(isoweek_count 2015)"
equal 'a leap year that begins on a wednesday' 53 "$(isoweek_count 2020)"

equal 'in the middle' 24 "$(isoweek 2024 6 15)"
equal 'the first week' 1 "$(isoweek 2024 1 1)"
equal 'the last week of the year before' 52 "$(isoweek 2022 1 2)"
equal 'a last week that is the 53rd' 53 "$(isoweek 2021 1 3)"
equal 'the first week of the year after' 1 "$(isoweek 2024 12 30)"
