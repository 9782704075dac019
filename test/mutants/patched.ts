import type { Mutant } from './mutants.ts';

/**
 * The text of a file with the bug planted.
 * @throws Error when the place is not there, or not the only one: the code has moved on, and the mutant
 * would prove nothing
 */
export function patched(text: string, { name, file, original, replacement }: Mutant): string {
  const places = text.split(original);
  if (places.length !== 2) {
    throw new Error(
      `mutant ${name}: its place occurs ${places.length - 1} times in ${file}, not once; ` +
        'change test/mutants/mutants.ts to what the compiled file says now',
    );
  }
  return places.join(replacement);
}
