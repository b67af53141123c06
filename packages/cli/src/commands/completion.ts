import { Argument, Command } from 'commander';
import { type Cli, say } from '../cli.ts';
import { complete } from '../complete.ts';

/** Each asks this program for the words, so that a shell knows what the program knows. */
const SCRIPTS = {
  bash: `_zlayer() {
  local IFS=$'\\n'
  COMPREPLY=($(zlayer __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _zlayer zlayer`,
  zsh: `#compdef zlayer
_zlayer() {
  local -a found
  found=("\${(@f)$(zlayer __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  [[ -n "$found" ]] && compadd -- "\${found[@]}" || _files
}
compdef _zlayer zlayer`,
  fish: `complete -c zlayer -f -a '(zlayer __complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'`,
} as const;

export function completionCommand(cli: Cli): Command {
  return new Command('completion')
    .description('Print what makes a shell complete the words of this command.')
    .addArgument(new Argument('<shell>').choices(Object.keys(SCRIPTS)))
    .action((shell: keyof typeof SCRIPTS) => say(cli, SCRIPTS[shell]));
}

/** What the scripts call. */
export function completeCommand(cli: Cli): Command {
  return new Command('__complete')
    .argument('[words...]')
    .action(async (words: string[], _options, command: Command) => {
      if (command.parent) for (const word of await complete(command.parent, words)) say(cli, word);
    });
}
