# Tests of lib/calendar.sh.

holds 'every fourth year' calendar_leap 2024
refuses 'no other' calendar_leap 2023
refuses 'but not every hundredth' calendar_leap 1900
holds 'yet every four hundredth' calendar_leap 2000

equal 'january' 31 "$(calendar_days 2023 1)"
equal 'february' 28 "$(calendar_days 2023 2)"
equal 'february of a leap year' 29 "$(calendar_days 2024 2)"
equal 'june' 30 "$(calendar_days 2023 6)"
