# Completion of the sennit command for bash. A test compares its options with those of the command.

_sennit_run_options='--jobs --arg-file --null --max-args --colsep --shell --keep-order --line-buffer --ungroup --tag
    --json --results --joblog --resume --resume-failed --retries --backoff --timeout --deadline --halt --progress
    --no-progress --summary --dry-run --help'

# Completes the value of option $1; the part of it that is there is $2.
_sennit_value() {
    case $1 in
    -a | --arg-file | --joblog) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
    --results) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$2") ;;
    --halt) mapfile -t COMPREPLY < <(compgen -W 'soon,fail=1 soon,success=1 now,fail=1 now,success=1' -- "$2") ;;
    -j | --jobs) mapfile -t COMPREPLY < <(compgen -W "0 50% 100% 200% $(nproc 2> /dev/null)" -- "$2") ;;
    -N | --max-args | -C | --colsep | --retries | --backoff | --timeout | --deadline) COMPREPLY=() ;;
    *) return 1 ;;
    esac
}

_sennit() {
    local i word cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W 'run --help --version' -- "$cur")
        return
    fi
    [ "${COMP_WORDS[1]}" = run ] || return
    # where the command begins: after the first word that is neither an option nor the value of one
    for ((i = 2; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        --) i=$((i + 1)) && break ;;
        -a | -N | -C | -j | --arg-file | --joblog | --results | --halt | --jobs | --max-args | --colsep | --retries | \
            --backoff | --timeout | --deadline)
            i=$((i + 1))
            [ "${COMP_WORDS[i]}" != = ] || i=$((i + 1)) ;;
        -*) ;;
        *) break ;;
        esac
    done
    if [ "$i" -lt "$COMP_CWORD" ]; then # inside the command
        compopt -o filenames -o default
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    elif [ "$cur" = = ] && _sennit_value "$prev" ''; then
        :
    elif [ "$prev" = = ] && _sennit_value "${COMP_WORDS[COMP_CWORD - 2]}" "$cur"; then
        :
    elif _sennit_value "$prev" "$cur"; then
        :
    elif [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$_sennit_run_options" -- "$cur")
    else
        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
    fi
}

complete -F _sennit sennit
