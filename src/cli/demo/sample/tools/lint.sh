# Holds every script to the style that README.md tells. Each finding is a line `file:line: what`.

tab=$(printf '\t')
backquote=$(printf '\140')
banned=eval
findings=0

# found WHAT: tells a finding at the line that is being read.
found() {
    findings=$((findings + 1))
    echo "$file:$number: $1"
}

# look LINE: the rules that hold everywhere.
look() {
    case $1 in *"$tab"*) found 'a tab: indent with four spaces' ;; esac
    case $1 in *' ') found 'a blank at the end of the line' ;; esac
    [ "${#1}" -le 100 ] || found "${#1} columns, more than 100"
    case $1 in '#'* | *' #'*) return ;; esac
    case $1 in *"$backquote"*) found 'a backquote: write $(...)' ;; esac
    case " $1" in *[\ \;\&\|\(]"$banned "*) found "$banned: call the command itself" ;; esac
    case $1 in *[\\\|] | *'&&') found 'a command on two lines' ;; esac
}

# look_at_library LINE BEFORE: the rules for the library alone.
look_at_library() {
    case $1 in *'<<'*) found 'a here-document: use printf' ;; esac
    case $1 in
        [a-z]*'() {')
            case $2 in
                "# ${1%%(*} "* | "# ${1%%(*}:"*) ;;
                *) found "${1%%(*} has no comment '# ${1%%(*} ...' right above it" ;;
            esac
            ;;
        '' | '#'* | '}' | ' '*) ;;
        *) found 'a command outside of a function' ;;
    esac
}

files=0
for file in lib/*.sh tests/*.sh examples/*.sh tools/*.sh; do
    [ -f "$file" ] || continue
    files=$((files + 1))
    number=0
    before=
    line=
    while IFS= read -r line; do
        number=$((number + 1))
        look "$line"
        case $file in lib/*) look_at_library "$line" "$before" ;; esac
        before=$line
        line=
    done <"$file"
    [ -z "$line" ] || found 'the last line has no end'
done
echo "$files scripts looked at, $findings findings"
[ "$files" -gt 0 ] && [ "$findings" -eq 0 ]
