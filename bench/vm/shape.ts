/** How large every guest of a comparison is. */
export interface Shape {
  cpus: number;
  memoryBytes: number;
}
