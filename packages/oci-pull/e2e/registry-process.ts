// A process of its own that starts a registry, says where, and waits: node registry-process.ts
import { startRegistry } from '../src/testing/index.ts';

const registry = await startRegistry();
console.log(registry.host);
setInterval(() => undefined, 1000);
