# Waits until the process that started the server is gone, then ends the server and removes its
# directory. Its own process group is the server's: the server is born into it, so that there is no
# moment at which a killed test leaves a server behind.
#
# $1 the server's directory, $2 where logs are kept, $3 the signal that ends the server
set -f
trap '' INT TERM HUP QUIT
read -r word
[ "$word" = done ] && exit 0

# Sets members to the living processes of this group and their descendants, without this one.
# Shell built-ins only: a command substitution would be a member itself.
find_members() {
    table=
    set +f
    for stat in /proc/[0-9]*/stat; do
        read -r line 2>/dev/null <"$stat" || continue
        pid=${line%% *}
        rest=${line##*) }
        set -f
        set -- $rest
        set +f
        [ "$1" = Z ] || table="$table $pid:$2:$3"
    done 2>/dev/null
    set -f
    members=' '
    grown=yes
    while [ -n "$grown" ]; do
        grown=
        for entry in $table; do
            pid=${entry%%:*} group=${entry##*:} parent=${entry#*:}
            parent=${parent%%:*}
            case $members in *" $pid "*) continue ;; esac
            [ "$pid" = $$ ] && continue
            case $members in
            *" $parent "*) ;;
            *) [ "$group" = $$ ] || continue ;;
            esac
            members="$members$pid " grown=yes
        done
    done
}

dir=$1 logs=$2 signal=$3
if [ "$signal" != KILL ]; then
    find_members
    [ "$members" = ' ' ] || kill -"$signal" $members 2>/dev/null
    tries=0
    while find_members; [ "$members" != ' ' ] && [ $tries -lt 40 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
fi
tries=0
while find_members; [ "$members" != ' ' ] && [ $tries -lt 100 ]; do
    kill -STOP $members 2>/dev/null
    find_members
    kill -KILL $members 2>/dev/null
    sleep 0.05
    tries=$((tries + 1))
done
mv -- "$dir/log" "$logs/${dir##*/}.log" 2>/dev/null
rm -rf -- "$dir"
