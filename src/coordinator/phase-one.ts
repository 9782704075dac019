import { ClientError, type ReplicaState } from '../errors.ts';
import type { NodeId } from '../ids.ts';
import { type ConsistencyLevel, requiredAnswers } from '../quorum/consistency-level.ts';
import type { Pressure, Replies } from '../rpc/messages.ts';
import type { Answer } from '../rpc/transport.ts';
import type { Version } from '../version/version.ts';
import { type Attempt, damagedOr, RingChangedError } from './attempt.ts';

/** How much longer the others are heard when a replica announced that it takes no values, milliseconds. */
const HEAR_THE_OTHERS_MS = 50;

export interface Asked {
  /** The highest version that a quorum of the replicas holds; `undefined`: nothing. */
  readonly newest: Version | undefined;
  /** The newest is a value, not a tombstone. */
  readonly exists: boolean;
  /** A quorum is known to hold exactly this. */
  readonly settled: boolean;
  /** Replicas that announced that they take no new values. */
  readonly pressed: ReadonlyMap<NodeId, Exclude<Pressure, 'none'>>;
}

/**
 * Phase 1 of a write: asks all replicas for the version they hold and waits for a quorum. Nothing
 * has been sent that could take effect, so every failure here is `not_applied`.
 */
export async function askVersions(attempt: Attempt): Promise<Asked> {
  const { ring, key, nodes } = attempt;
  const quorum = attempt.readQuorum('quorum');
  const tombstones = new Set<Version>();
  const pressed = new Map<NodeId, Exclude<Pressure, 'none'>>();

  const request = { type: 'replica.version', epoch: ring.epoch, key, level: 'quorum' } as const;
  const answers = attempt.gather<'replica.version'>(nodes, () => request);
  const take = async (answer: Answer<Replies['replica.version']>): Promise<void> => {
    await attempt.note(answer);
    if (!answer.ok) {
      quorum.fail(answer.from);
      return;
    }
    const { version, tombstone, pressure } = answer.reply;
    if (tombstone && version !== undefined) tombstones.add(version);
    if (pressure !== 'none') pressed.set(answer.from, pressure);
    quorum.answer(answer.from, version);
  };
  for await (const answer of answers) {
    await take(answer);
    if (attempt.overtaken) throw new RingChangedError();
    if (quorum.verdict !== 'pending') break;
  }
  if (pressed.size > 0 && quorum.verdict === 'met') {
    // One is full: whether too many are should be known before anything is sent.
    const rest = (await attempt.within(answers.rest(), HEAR_THE_OTHERS_MS)) ?? [];
    for (const answer of rest) await take(answer);
  }

  if (quorum.verdict !== 'met') {
    const unavailable = new ClientError(
      'quorum_unavailable',
      `only ${quorum.shortfall} answered: ${attempt.troubles}. ` +
        'Nothing was written; start the missing nodes, or write with consistency=one',
      {
        outcome: 'not_applied',
        required: quorum.required,
        acknowledged: 0,
        replicas: attempt.report,
      },
    );
    throw damagedOr(attempt, unavailable);
  }
  const { newest, settled } = quorum;
  const exists = newest !== undefined && !tombstones.has(newest);
  return { newest, exists, settled, pressed };
}

/**
 * Refuses a write before anything is sent when replicas that announced that they would not take it
 * leave too few others. A tombstone is taken where only new values are refused. @throws ClientError
 */
export function refuseUnderPressure(
  attempt: Attempt,
  asked: Asked,
  level: ConsistencyLevel,
  kind: 'value' | 'tombstone',
): void {
  const pressed = new Map(asked.pressed);
  for (const [node, pressure] of pressed) {
    if (kind === 'tombstone' && pressure === 'full') pressed.delete(node);
  }
  const starved = attempt.sets.some((set) => {
    const open = set.filter((node) => !pressed.has(node)).length;
    return open < requiredAnswers(level, set.length);
  });
  if (!starved) return;
  const names = [...pressed.keys()].map((node) => attempt.nameOf(node));
  const replicas = attempt.report.map((report) => ({
    ...report,
    state: statePressed(pressed.get(report.id)) ?? report.state,
  }));
  const details = { outcome: 'not_applied', acknowledged: 0, replicas } as const;
  if ([...pressed.values()].some((pressure) => pressure !== 'overloaded')) {
    throw new ClientError(
      'storage_full',
      `too few replicas have room: the disk of ${names.join(', ')} is nearly full. ` +
        'Nothing was written; free some space or grow the disk',
      details,
    );
  }
  throw new ClientError(
    'overloaded',
    `too few replicas take writes now: ${names.join(', ')} has too much to do. Nothing was written; try again`,
    details,
  );
}

function statePressed(pressure: Exclude<Pressure, 'none'> | undefined): ReplicaState | undefined {
  return pressure === 'exhausted' ? 'full' : pressure;
}
