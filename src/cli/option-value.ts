/** Values of options, checked while the command line is read. */
import { CommandError } from './command-error.ts';

/** For commander: `parse`, with an error that says what is expected. The value may be a secret, so it is not repeated. */
export function checked<Value>(
  flag: string,
  parse: (text: string) => Value,
): (text: string) => Value {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      const expected = (error as Error).message;
      throw new CommandError(`${flag}: not usable, expected ${expected}`, {
        exit: 'usage',
        cause: error,
      });
    }
  };
}

/** For a text that somebody else parses again: passed on as it is, once `parse` has taken it. */
export function asWritten(parse: (text: string) => unknown): (text: string) => string {
  return (text) => {
    parse(text);
    return text;
  };
}

export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new RangeError(`a whole number from ${least} to ${most}`);
    }
    return value;
  };
}
