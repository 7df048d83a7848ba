# fish completion for netenforce(8)

set -l commands status ls policy log explain verify doctor metrics
set -l actions show set allow deny rm check diff apply suggest
set -l keys proxy dns allow deny icc inbound mode refuse rate conn_rate quota log role dns_allow dns_deny

function __netenforce_words # without options: netenforce COMMAND ...
    set -l words
    set -l skip
    for word in (commandline -opc)
        if set -q skip[1]
            set -e skip
        else if test "$word" = --socket
            set skip yes
        else if not string match -q -- '-*' "$word"
            set -a words "$word"
        end
    end
    string join \n -- $words
end

function __netenforce_at # the position, and the words before it, where given
    set -l words (__netenforce_words)
    test (count $words) -eq $argv[1]; or return 1
    for i in (seq 2 (count $argv))
        test "$argv[$i]" = - -o "$argv[$i]" = "$words[$i]"; or return 1
    end
end

function __netenforce_action # one of these actions, behind the subject
    set -l words (__netenforce_words)
    test (count $words) -ge 4 -a "$words[2]" = policy; and contains -- "$words[3]" $argv
end

function __netenforce_names
    set -l tokens (commandline -opc)
    set -l socket
    set -l at (contains -i -- --socket $tokens)
    and set socket --socket $tokens[(math $at + 1)]
    netenforce $socket names $argv 2>/dev/null
end

complete -c netenforce -f
complete -c netenforce -l socket -r -F -d 'the control socket'
complete -c netenforce -l json -d 'answer in JSON'
complete -c netenforce -l help -d 'say how it is used'
complete -c netenforce -l version -d 'say the version'
complete -c netenforce -n '__netenforce_at 1' -a "$commands"
complete -c netenforce -n '__netenforce_at 2 policy' -a "$actions"
complete -c netenforce -n '__netenforce_at 2 verify' -a '(__netenforce_names networks)'
complete -c netenforce -n '__netenforce_at 2 explain' -a '(__netenforce_names endpoints)'
for action in show set allow deny rm check suggest
    complete -c netenforce -n "__netenforce_at 3 policy $action" \
        -a '(__netenforce_names subjects (commandline -ct))'
end
for action in check diff apply
    complete -c netenforce -n "__netenforce_at 3 policy $action" -F
end
complete -c netenforce -n '__netenforce_action set check' -a "$keys="
complete -c netenforce -n '__netenforce_action rm' -a "$keys"
complete -c netenforce -n 'contains log (__netenforce_words)' -l follow -d 'go on'
complete -c netenforce -n 'contains log (__netenforce_words)' -l since -x -d 'from then on'
complete -c netenforce -n 'contains log (__netenforce_words)' -l network -x -d 'of one network'
complete -c netenforce -n 'contains log (__netenforce_words)' -l type -x -d 'of one type' \
    -a 'blocked dns policy network endpoint repair warning'
