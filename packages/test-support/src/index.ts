export { isRunning, survivors } from './processes.ts';
export {
  type ReadmeExampleOptions,
  type ReadmeExampleResult,
  readmeBlock,
  runReadmeExample,
} from './readme-example.ts';
