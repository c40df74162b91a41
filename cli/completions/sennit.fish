# Completion of the sennit command for fish. A test compares its options with those of the command.

function __sennit_run --description 'Are the options of sennit run to be completed?'
    set -l words (commandline -opc)
    test (count $words) -ge 2; and test $words[2] = run; or return 1
    # the command begins at the first word that is neither an option nor the value of one
    set -l value 0
    for word in $words[3..-1]
        if test $value = 1
            set value 0
            continue
        end
        switch $word
            case --
                return 1
            case -a -N -C -j --arg-file --joblog --results --halt --jobs --max-args --colsep --retries --backoff --timeout --deadline
                set value 1
            case '-*'
            case '*'
                return 1
        end
    end
    return 0
end

complete -c sennit -n '__fish_is_first_token' -f -a run -d 'Run a command once per input, several at a time'
complete -c sennit -n '__fish_is_first_token' -f -l help -s h -d 'Print the subcommands'
complete -c sennit -n '__fish_is_first_token' -f -l version -d 'Print the version'

complete -c sennit -n __sennit_run -x -a '(__fish_complete_command)'
complete -c sennit -n __sennit_run -l jobs -s j -x -a '0 50% 100% 200%' -d 'So many at a time'
complete -c sennit -n __sennit_run -l arg-file -s a -r -F -d 'Take inputs from a file'
complete -c sennit -n __sennit_run -l null -s 0 -d 'Inputs end with a NUL byte'
complete -c sennit -n __sennit_run -l max-args -s N -x -d 'So many inputs for each job'
complete -c sennit -n __sennit_run -l colsep -s C -x -d 'Split each input into columns'
complete -c sennit -n __sennit_run -l shell -d 'Run the words as a shell script'
complete -c sennit -n __sennit_run -l keep-order -s k -d 'Print outputs in the order of the inputs'
complete -c sennit -n __sennit_run -l line-buffer -d 'Print each line as it comes'
complete -c sennit -n __sennit_run -l ungroup -s u -d 'Let the jobs write themselves'
complete -c sennit -n __sennit_run -l tag -d 'Print the input and a tab before each line'
complete -c sennit -n __sennit_run -l json -d 'Print events that carry the outputs'
complete -c sennit -n __sennit_run -l results -x -a '(__fish_complete_directories)' -d 'Also keep what each job printed'
complete -c sennit -n __sennit_run -l joblog -r -F -d 'Write a line for each job that is over'
complete -c sennit -n __sennit_run -l resume -d 'Do not run again what the job log has'
complete -c sennit -n __sennit_run -l resume-failed -d 'The same, but run again what failed'
complete -c sennit -n __sennit_run -l retries -x -d 'Try a job so many times in all'
complete -c sennit -n __sennit_run -l backoff -x -d 'Wait between tries'
complete -c sennit -n __sennit_run -l timeout -x -d 'End a try after so long'
complete -c sennit -n __sennit_run -l deadline -x -d 'End the run after so long'
complete -c sennit -n __sennit_run -l halt -x -a 'soon,fail=1 soon,success=1 now,fail=1 now,success=1' -d 'When to start no more jobs'
complete -c sennit -n __sennit_run -l progress -d 'Show a status line'
complete -c sennit -n __sennit_run -l no-progress -d 'Show no status line'
complete -c sennit -n __sennit_run -l summary -d 'Print jobs, failures, rate and durations'
complete -c sennit -n __sennit_run -l dry-run -d 'Print the commands instead of running them'
complete -c sennit -n __sennit_run -l help -s h -d 'Print the options'
