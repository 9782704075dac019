/** For the rhythm of a load or a fault, never instead of a condition that can be awaited. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
