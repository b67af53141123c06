/** An account of a registry. */
export interface PasswordCredentials {
  readonly username: string;
  readonly password: string;
}

/** A long-lived token that a token server changes into short-lived ones (an OAuth 2 refresh token). */
export interface IdentityToken {
  readonly identityToken: string;
}

/** A token that opens the registry as it is. */
export interface RegistryToken {
  readonly registryToken: string;
}

export type Credentials = PasswordCredentials | IdentityToken | RegistryToken;

/** The user name by which credential helpers say that the password is an identity token. */
const identityTokenUser = '<token>';

/** What a user name and a password mean. */
export function accountOf(username: string, password: string): Credentials {
  return username === identityTokenUser ? { identityToken: password } : { username, password };
}

/** The `Authorization` header of an account. */
export function basicHeader({ username, password }: PasswordCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
