# Tests of lib/text.sh.

equal 'three times' 'ababab' "$(text_repeat 3 ab)"
equal 'not at all' '' "$(text_repeat 0 ab)"

equal 'filled from the left' '   7' "$(text_right 4 7)"
equal 'as wide as the field' '2024' "$(text_right 4 2024)"
equal 'wider than the field' '12345' "$(text_right 4 12345)"
