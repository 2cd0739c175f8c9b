# SPDX-License-Identifier: MIT
# fish completion for bprec. Commands and options are asked of bprec itself.

# The command on the line; fails if there is none yet.
function __bprec_command
    set -l words (commandline -opc)
    for word in $words[2..-1]
        if not string match -q -- '-*' $word
            echo $word
            return
        end
    end
    return 1
end

function __bprec_none
    not __bprec_command >/dev/null
end

function __bprec_is
    set -l command (__bprec_command); and test $command = $argv[1]
end

function __bprec_commands
    set -l words (commandline -opc)
    $words[1] help 2>/dev/null | string replace -rf '^  ([a-z]+) +(\S.*)$' '$1\t$2'
end

function __bprec_options
    set -l words (commandline -opc)
    set -l command (__bprec_command); or return
    set -l help ($words[1] $command --help 2>/dev/null)
    string replace -rf -- '^  (?:-.,|   ) --([a-z0-9-]+)(?:=\S+)? +(.*)$' '--$1\t$2' $help
    string replace -rf -- '^  -(.), --[a-z0-9-]+(?:=\S+)? +(.*)$' '-$1\t$2' $help
end

complete -c bprec -f
complete -c bprec -n __bprec_none -a '(__bprec_commands)'
complete -c bprec -n __bprec_none -l help -d 'show the commands'
complete -c bprec -n __bprec_none -l version -d 'show the version'
complete -c bprec -n '__bprec_is help' -a '(__bprec_commands)'
complete -c bprec -n 'not __bprec_none; and string match -q -- "-*" (commandline -ct)' -a '(__bprec_options)'
complete -c bprec -n 'not __bprec_none; and not __bprec_is help' -F
