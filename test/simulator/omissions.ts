/**
 * What is left out of a run, to make a failing one small enough to read. Whatever remains draws the same
 * numbers as before: each client and each strike of a fault has a random stream of its own.
 */
import { DECISION_SPLIT } from './decision-splits.ts';
import { FAULT_KINDS } from './faults.ts';
import { CHANGE_KINDS } from './ring-changes.ts';

/** What strikes by itself, changes of the ring, and what the network does to single messages. */
export const RUN_FAULTS = [
  ...FAULT_KINDS,
  ...CHANGE_KINDS,
  'force',
  DECISION_SPLIT,
  'loss',
  'duplication',
] as const;
export type RunFault = (typeof RUN_FAULTS)[number];

export interface Omissions {
  readonly faults: readonly RunFault[];
  readonly clients: readonly number[];
  /** Milliseconds after the clients began, when nobody begins anything any more and no fault strikes. */
  readonly untilMs: number | undefined;
}

export const NOTHING_OMITTED: Omissions = { faults: [], clients: [], untilMs: undefined };

/** The command that runs a seed again, without what is left out. */
export function replayCommand(seed: number, { faults, clients, untilMs }: Omissions): string {
  const without = [...faults, ...clients.map((client) => `client${client}`)];
  const words = ['make simulate', `SEED=${seed}`];
  if (without.length > 0) words.push(`WITHOUT=${without.join(',')}`);
  if (untilMs !== undefined) words.push(`UNTIL_MS=${untilMs}`);
  return words.join(' ');
}

/** The other way round: from what the command line says. */
export function omissionsOf(without: string, untilMs: number | undefined): Omissions {
  const faults: RunFault[] = [];
  const clients: number[] = [];
  for (const word of without.split(',').filter((word) => word !== '')) {
    const fault = RUN_FAULTS.find((each) => each === word);
    const client = /^client(\d+)$/.exec(word)?.[1];
    if (fault !== undefined) faults.push(fault);
    else if (client !== undefined) clients.push(Number(client));
    else throw new Error(`WITHOUT=${word}: a client (client3) or one of ${RUN_FAULTS.join(', ')}`);
  }
  return { faults, clients, untilMs };
}
