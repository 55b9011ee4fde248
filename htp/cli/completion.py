"""``htp completion``: the script by which a shell asks ``htp`` what may follow."""

import os
from typing import List, Tuple

import click
from click.shell_completion import (
    BashComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from htp.cli.asked import VARIABLE
from htp.cli.terminal import print_as_it_is

__all__ = ["completion"]

_INSTALL = {
    "bash": 'add this line to ~/.bashrc:  eval "$(htp completion bash)"',
    "zsh": 'add this line to ~/.zshrc, behind compinit:  eval "$(htp completion zsh)"',
    "fish": "htp completion fish > ~/.config/fish/completions/htp.fish",
}

_BASH = """\
%(complete_func)s() {
    local line=${COMP_LINE:0:COMP_POINT} type value word before=
    word=${line##*[[:space:]]}
    # To bash a new word begins at an @; what stands before it stays as it is.
    if [[ $word == *@* && $word != [\\'\\"]* && $COMP_WORDBREAKS == *@* ]]; then
        before=${word%%@*}
    fi
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("${value#"$before"}") ;;
        esac
    done < <(COMP_WORDS=$line %(complete_var)s=bash_complete "$1" 2>/dev/null)
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    """Bash, which hands over the line as it is: its own words end at every ``@``."""

    source_template = _BASH

    def get_completion_args(self) -> Tuple[List[str], str]:
        """The words before the one that is completed, and that."""
        line = os.environ.get("COMP_WORDS", "")
        words = split_arg_string(line)
        incomplete = "" if not words or line[-1:].isspace() else words.pop()
        return words[1:], incomplete


add_completion_class(_Bash)


@click.command(short_help="Print the script that completes htp in a shell.")
@click.argument("shell", type=click.Choice(list(_INSTALL)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    r"""Print the script by which a shell completes commands, options, files, modules and operators.

    Modules and operators are those of the file that stands on the command line already. The last
    line of the script says how to install it.

    \b
    Examples:
      eval "$(htp completion bash)"
      htp completion fish > ~/.config/fish/completions/htp.fish
    """
    made = get_completion_class(shell)
    assert made is not None
    script = made(ctx.find_root().command, {}, "htp", VARIABLE).source()
    print_as_it_is(f"{script.rstrip()}\n\n# To have it in every shell: {_INSTALL[shell]}")
