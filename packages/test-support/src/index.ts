export { landlockVersion } from './landlock.ts';
export { isRunning, survivors } from './processes.ts';
export { processesBelow } from './processes-below.ts';
export {
  type ReadmeExampleOptions,
  type ReadmeExampleResult,
  readmeBlock,
  runReadmeExample,
} from './readme-example.ts';
