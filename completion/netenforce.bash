# bash completion for netenforce(8)

_netenforce() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} word i
    local commands="status ls policy log explain verify doctor metrics"
    local actions="show set allow deny rm check diff apply suggest"
    local keys="proxy dns allow deny icc inbound mode refuse rate conn_rate quota log role dns_allow dns_deny"
    local -a words=() socket=()
    COMPREPLY=()
    # COMP_WORDBREAKS may hold '=' and ':', which are parts of words here.
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        --socket) socket=(--socket "${COMP_WORDS[i+1]}"); ((i++)) ;;
        -*) ;;
        *) words+=("$word") ;;
        esac
    done
    if [[ $prev == --socket ]]; then
        compopt -o default 2>/dev/null
        return
    fi
    if [[ $cur == -* ]]; then
        local options="--json --socket --help --version"
        [[ ${words[0]} == log ]] && options+=" --follow --since --network --type"
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        return
    fi
    case ${words[0]} in
    "") mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur") ;;
    verify)
        mapfile -t COMPREPLY < <(compgen -W "$(netenforce "${socket[@]}" names networks 2>/dev/null)" -- "$cur") ;;
    explain)
        ((${#words[@]} == 1)) &&
            mapfile -t COMPREPLY < <(compgen -W "$(netenforce "${socket[@]}" names endpoints 2>/dev/null)" -- "$cur") ;;
    policy)
        case ${#words[@]},${words[1]} in
        1,*) mapfile -t COMPREPLY < <(compgen -W "$actions" -- "$cur") ;;
        2,diff | 2,apply) compopt -o default 2>/dev/null ;;
        2,*)
            mapfile -t COMPREPLY < <(compgen -W "$(netenforce "${socket[@]}" names subjects "$cur" 2>/dev/null)" -- "$cur")
            [[ ${words[1]} == check ]] && compopt -o default 2>/dev/null
            [[ ${words[1]} != suggest && ${#COMPREPLY[@]} == 1 && $cur != */* ]] && compopt -o nospace 2>/dev/null ;;
        *,set | *,check)
            compopt -o nospace 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -S = -W "$keys" -- "$cur") ;;
        *,rm) mapfile -t COMPREPLY < <(compgen -W "$keys" -- "$cur") ;;
        esac ;;
    esac
} && complete -F _netenforce netenforce
