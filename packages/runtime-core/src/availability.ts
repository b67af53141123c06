/** Whether something can be used on this machine, and if not, why not and what to do about it. */
export type Availability =
  | {
      available: true;
      /** What was chosen here and what does not work, for people: a line each. */
      notes?: readonly string[] | undefined;
    }
  | {
      available: false;
      /** Why not, as a sentence. */
      reason: string;
      /** What makes it available, as a sentence: a command to run, a setting to change. */
      remedy: string;
    };
