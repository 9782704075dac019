import { RUN_FAULTS, type RunFault } from './omissions.ts';
import type { Totals } from './run-record.ts';
import type { SeedReport } from './run-twice.ts';

/** From so many runs on, each kind of fault has to have done something in one of a hundred. */
const ENOUGH_RUNS_FOR_FAULTS = 200;
const LEAST_SHARE_OF_RUNS = 0.01;
/** From so many runs on, half of the clients' operations have to have succeeded. */
const ENOUGH_RUNS_FOR_OPERATIONS = 20;
const LEAST_SHARE_OF_OPERATIONS = 0.5;

/** Adds up the runs of many seeds. */
export class Summary {
  readonly #runsWith = new Map<RunFault, number>(RUN_FAULTS.map((kind) => [kind, 0]));
  readonly #startedMs = performance.now();
  #seeds = 0;
  #violations = 0;
  #events = 0;
  #simulatedMs = 0;
  #cpuMs = 0;
  #succeeded = 0;
  #failed = 0;

  add({ result, flaws, cpuMs }: SeedReport): void {
    this.#seeds += 1;
    if (flaws.length > 0) this.#violations += 1;
    if (result === undefined) return;
    this.#events += 2 * result.events; // both runs
    this.#simulatedMs += 2 * result.simulatedMs;
    this.#cpuMs += cpuMs;
    this.#succeeded += result.succeeded;
    this.#failed += result.failed;
    for (const kind of result.faults.keys())
      this.#runsWith.set(kind, (this.#runsWith.get(kind) ?? 0) + 1);
  }

  get violations(): number {
    return this.#violations;
  }

  /** Why the runs prove too little, a sentence each. */
  get shortcomings(): readonly string[] {
    const shortcomings: string[] = [];
    if (this.#seeds >= ENOUGH_RUNS_FOR_FAULTS) {
      for (const [kind, runs] of this.#runsWith) {
        if (runs < LEAST_SHARE_OF_RUNS * this.#seeds)
          shortcomings.push(`${kind} did something in ${runs} of ${this.#seeds} runs only`);
      }
    }
    const share = this.#succeeded / (this.#succeeded + this.#failed);
    if (this.#seeds >= ENOUGH_RUNS_FOR_OPERATIONS && !(share >= LEAST_SHARE_OF_OPERATIONS))
      shortcomings.push(`${percent(share)} of the operations succeeded only`);
    return shortcomings;
  }

  get totals(): Totals {
    return {
      seeds: this.#seeds,
      violations: this.#violations,
      events: this.#events,
      simulatedHours: this.#simulatedMs / 3_600_000,
      succeeded: this.#succeeded,
      failed: this.#failed,
      seconds: this.#seconds,
      runsWith: Object.fromEntries(this.#runsWith) as Totals['runsWith'],
    };
  }

  get #seconds(): number {
    return (performance.now() - this.#startedMs) / 1_000;
  }

  get lines(): readonly string[] {
    const seconds = this.#seconds;
    const cpuSeconds = this.#cpuMs / 1_000;
    const simulatedSeconds = this.#simulatedMs / 1_000;
    const operations = this.#succeeded + this.#failed;
    return [
      'faults, in how many runs they did something:',
      ...[...this.#runsWith].map(
        ([kind, runs]) => `  ${kind.padEnd(18)}${pad(runs)} ${percent(runs / this.#seeds)}`,
      ),
      `operations while they struck: ${count(operations)}, ${count(this.#succeeded)} succeeded ` +
        `(${percent(this.#succeeded / operations)}), ${count(this.#failed)} failed`,
      `simulated: ${(simulatedSeconds / 3_600).toFixed(2)} hours`,
      `speed: ${(this.#seeds / seconds).toFixed(1)} seeds/s; of one core: ` +
        `${(cpuSeconds / this.#seeds).toFixed(2)} s a seed (both runs), ` +
        `${count(this.#events / cpuSeconds)} events/s, ` +
        `${count(simulatedSeconds / cpuSeconds)} simulated s per s`,
      ...this.shortcomings.map((sentence) => `too little: ${sentence}`),
      `simulate: ${this.#seeds} seeds, ${this.#violations} violations, ` +
        `${count(this.#events)} events, ${seconds.toFixed(0)} s`,
    ];
  }
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function pad(value: number): string {
  return String(value).padStart(7);
}
