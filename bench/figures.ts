/** A line for each figure as soon as it is known: what was measured, what it should be, and whether it is. */

const WIDTHS = [64, 16, 16] as const;

export class Figures {
  #missed = 0;

  constructor() {
    print('', 'measured', 'target', '');
  }

  /** How many are not what they should be. */
  get missed(): number {
    return this.#missed;
  }

  /** Should lie below `limit`. */
  below(what: string, value: number, limit: number, unit: 's' | 'ms' | 'x'): void {
    this.#line(what, shown(value, unit), `< ${limit} ${unit}`, value < limit);
  }

  /** Should be `limit` at the most. */
  atMost(what: string, value: number, limit: number, unit: 'x' | ''): void {
    this.#line(what, shown(value, unit), `<= ${limit} ${unit}`.trimEnd(), value <= limit);
  }

  /** All of `values` should lie within `least` and `most`. */
  within(what: string, values: readonly number[], least: number, most: number, unit: 's'): void {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const measured = `${low.toFixed(1)} to ${shown(high, unit)}`;
    this.#line(what, measured, `${least} to ${most} ${unit}`, low >= least && high <= most);
  }

  /** Should not be there at all. */
  none(what: string, count: number): void {
    this.#line(what, String(count), '0', count === 0);
  }

  #line(what: string, measured: string, target: string, isMet: boolean): void {
    if (!isMet) this.#missed += 1;
    print(what, measured, target, isMet ? 'ok' : 'missed');
  }
}

/** Nothing to judge, but good to know. */
export function remark(text: string): void {
  console.log(`  (${text})`);
}

function shown(value: number, unit: 's' | 'ms' | 'x' | ''): string {
  const digits = { s: 1, ms: 0, x: 2, '': 0 }[unit];
  return `${value.toFixed(digits)} ${unit}`.trimEnd();
}

function print(what: string, measured: string, target: string, verdict: string): void {
  const [first, second, third] = WIDTHS;
  const line = `${what.padEnd(first)}${measured.padStart(second)}${target.padStart(third)}  ${verdict}`;
  console.log(line.trimEnd());
}
