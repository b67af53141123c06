/** Token servers that belong to registries of another name. */
const wellKnown: Readonly<Record<string, readonly string[]>> = {
  'docker.io': ['auth.docker.io'],
  'registry.gitlab.com': ['gitlab.com'],
};

/**
 * Whether a registry's credentials may be sent to the token server that its challenge names: the registry itself, the
 * same host or a subdomain of it over https, one that is known to belong to it, and those that the user listed.
 *
 * @param registry As in references: `docker.io`.
 * @param base A URL of the registry.
 * @param listed Hosts, with their port if it is not the usual one.
 */
export function mayReceiveCredentials(
  realm: URL,
  registry: string,
  base: URL,
  listed: readonly string[] = [],
): boolean {
  if (realm.origin === base.origin || listed.some((host) => host.toLowerCase() === realm.host)) return true;
  if (realm.protocol !== 'https:') return false;
  const related = realm.hostname === base.hostname || realm.hostname.endsWith(`.${base.hostname}`);
  return related || (wellKnown[registry] ?? []).includes(realm.host);
}
