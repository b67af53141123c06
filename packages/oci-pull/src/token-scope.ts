/** `repository:NAME:ACTIONS`, what a token opens. */
export function repositoryScope(repository: string, ...actions: ('pull' | 'push')[]): string {
  return `repository:${repository}:${actions.join(',')}`;
}

/** Joins scopes, so that each resource is named once, with all actions that are wanted of it. */
export function mergeScopes(scopes: readonly string[]): string[] {
  const actionsOf = new Map<string, Set<string>>();
  for (const scope of scopes) {
    const colon = scope.lastIndexOf(':');
    const resource = scope.slice(0, Math.max(0, colon));
    const actions = actionsOf.get(resource) ?? new Set();
    for (const action of scope.slice(colon + 1).split(',')) actions.add(action);
    actionsOf.set(resource, actions);
  }
  return [...actionsOf].map(
    ([resource, actions]) => `${resource === '' ? '' : `${resource}:`}${[...actions].join(',')}`,
  );
}
