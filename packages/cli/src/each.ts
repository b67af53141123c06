import { type ContainerSummary, formatContainerId, type Runtime } from '@zlayer/runtime-core';
import { type Cli, say } from './cli.ts';
import { reportError } from './failure.ts';
import { formatJson } from './format/json.ts';
import { resolveContainer } from './resolve-container.ts';

export interface EachOptions {
  json?: boolean | undefined;
}

/** Does something to each name, says which went well, and goes on after a failure. Resolves to the exit code. */
export async function forEachName<T>(
  cli: Cli,
  names: readonly string[],
  { json }: EachOptions,
  act: (name: string) => Promise<T>,
  show: (result: T, name: string) => string = (_, name) => name,
): Promise<number> {
  const done: unknown[] = [];
  let code = 0;
  for (const name of names) {
    try {
      const result = await act(name);
      done.push(result ?? { name });
      if (!json) say(cli, show(result, name));
    } catch (error) {
      reportError(cli, error, { json });
      code = 1;
    }
  }
  if (json) say(cli, formatJson(done));
  return code;
}

/** The same for containers. */
export async function forEachContainer(
  cli: Cli,
  runtime: Runtime,
  names: readonly string[],
  options: EachOptions,
  act: (container: ContainerSummary['id'] & { instance: string }) => Promise<void>,
): Promise<number> {
  const one = async (name: string): Promise<object> => {
    const { id, instance } = await resolveContainer(runtime, name);
    await act({ ...id, instance });
    return { name: formatContainerId(id), instance };
  };
  return await forEachName(cli, names, options, one);
}
