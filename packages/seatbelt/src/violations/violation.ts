/** Something that a process was denied. */
export interface Violation {
  /** The name of the program, as the system cuts it. */
  process: string;
  pid: number;
  /** Such as `file-read-data`, `network-outbound`, `mach-lookup`. */
  operation: string;
  /** What it was about: a path, an address, the name of a service. Empty if the system does not say. */
  subject: string;
  /** How many of these the line stands for: the system folds those that come quickly. */
  count: number;
  /** When the system logged it. Absent if its time cannot be read. */
  time: Date | undefined;
}
