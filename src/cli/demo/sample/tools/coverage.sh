# Measures which lines of the library the tests run: writes coverage/lcov.info, and names the lines
# that are never run.
#
# The tests are run on a copy of the library in which each command is preceded by `at FILE:LINE`.
# That tells the place on file descriptor 9, where the trace is read. (`set -x` would not do: not
# every shell knows LINENO, and a test may well redirect standard error.)
#
# Whether the tests pass is not asked here, only what they run.

report=coverage/lcov.info

# is_label TEXT: whether a text is what stands before the parenthesis in a branch of a case.
is_label() {
    local rest=$1
    while :; do
        case $rest in
            *' | '*) rest=${rest%%' | '*}${rest#*' | '} ;;
            *' '* | *'('*) return 1 ;;
            *) return 0 ;;
        esac
    done
}

# split LINE: tells where a line's command begins: sets `head` and, to the rest, `command`.
# Fails when the line has none.
split() {
    local indent=${1%%[! ]*}
    head=$indent
    command=${1#"$indent"}
    case $command in
        '' | '#'* | then | else | do | '{' | '}' | '(' | ')'* | ';;') return 1 ;;
        fi | 'fi '* | done | 'done '* | esac | 'esac '*) return 1 ;;
        'for '* | 'case '* | *'() {') return 1 ;;
        'if '* | 'elif '* | 'while '* | 'until '*)
            head="$head${command%% *} "
            command=${command#* }
            ;;
        *') '*)
            is_label "${command%%') '*}" || return 0
            head="$head${command%%') '*}) "
            command=${command#*') '}
            [ "$command" != ';;' ]
            ;;
        *')')
            ! is_label "${command%')'}"
            ;;
    esac
}

# copy FILE: writes a file of the library to coverage/, every command with its place.
copy() {
    local number=0
    local line
    echo 'at() { set -- "$?" "$1"; echo "$2" >&9; return "$1"; }'
    while IFS= read -r line; do
        number=$((number + 1))
        split "$line" && line="${head}at $1:$number; $command"
        printf '%s\n' "$line"
    done <"$1"
}

# traced: runs all tests and prints their trace.
traced() {
    local file
    for file in tests/*_test.sh; do
        [ -f "$file" ] && LIBRARY=coverage sh tools/harness.sh "$file" 9>&1 >/dev/null
    done
}

# places: reads a trace and prints each place once.
places() {
    local place last seen=' '
    while read -r place; do
        [ "$place" = "$last" ] && continue
        last=$place
        case $seen in *" $place "*) continue ;; esac
        seen="$seen$place "
    done
    printf '%s\n' "$seen"
}

# record FILE: prints the file's part of the report; what was never run goes to standard error.
record() {
    local line hit number=0 found=0 run=0
    echo "SF:$1"
    while IFS= read -r line; do
        number=$((number + 1))
        split "$line" || continue
        found=$((found + 1))
        hit=0
        case $hits in *" $1:$number "*) hit=1 ;; esac
        run=$((run + hit))
        echo "DA:$number,$hit"
        [ "$hit" -eq 1 ] || echo "$1:$number: never run: $command" >&2
    done <"$1"
    echo "LF:$found"
    echo "LH:$run"
    echo end_of_record
    echo "$1: $run of $found lines run" >&2
}

for file in lib/*.sh; do
    [ -f "$file" ] || continue
    copy "$file" >"coverage/${file#lib/}"
    sh -n "coverage/${file#lib/}" || { echo "$file: cannot be marked, see README.md"; exit 1; }
done
hits=$(traced | places)
for file in lib/*.sh; do
    [ -f "$file" ] && record "$file"
done >"$report"
case $hits in *[!\ ]*) ;; *) echo 'no line of the library was run' && exit 1 ;; esac
