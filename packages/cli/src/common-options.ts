import { type Command, Option } from 'commander';

/** What every command may be told. */
export interface CommonOptions {
  dataDir?: string;
  runtime?: string;
  json?: boolean;
  insecureRegistry?: string[];
}

export const append = (value: string, list: string[] = []): string[] => [...list, value];

/** Adds the options that every command has. */
export function withCommonOptions(command: Command): Command {
  return command
    .option('--json', 'write JSON')
    .option('--data-dir <directory>', 'where images and containers are kept (default: $ZLAYER_DATA_DIR)')
    .addOption(new Option('--runtime <name>', 'what runs containers').env('ZLAYER_RUNTIME'));
}

/** Adds the options of commands that speak to registries. */
export function withRegistryOptions(command: Command): Command {
  return command.option('--insecure-registry <host>', 'speak plain HTTP to this registry; may be repeated', append);
}
