// Where things lie in a checkout. Everything that is downloaded or built for the checkout as a whole is in one ignored folder.

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const cache = join(root, '.cache');
