import { ClientError } from '../errors.ts';
import type { NodeId } from '../ids.ts';
import type { Clock } from '../runtime/clock.ts';
import { openSealed, type SealedRecord } from '../version/record-codec.ts';
import { type Attempt, type CoordinatorPorts, RingChangedError } from './attempt.ts';

/** How long the first replica may think before the others are asked too, milliseconds. */
const HEDGE_AFTER_MS = 25;

/**
 * Reads at level `one`: the first answer, "nothing" included. The value travels once as a rule: one
 * replica is asked, this node itself if it is one, and the others only when that one fails or is slow
 * (Dean and Barroso, "The Tail at Scale", 2013: hedged requests).
 * @throws ClientError
 */
export async function getOne(
  ports: CoordinatorPorts,
  attempt: Attempt,
): Promise<SealedRecord | undefined> {
  const [first, ...others] = byNearness(ports, attempt);
  if (first === undefined) throw nobody(attempt);
  const asked = firstAnswer(attempt, [first]);
  const early = await within(ports.clock, HEDGE_AFTER_MS, asked);
  if (early?.found) return early.record;

  const late = firstAnswer(attempt, others);
  const winner = await Promise.any([asked.then(orThrow), late.then(orThrow)]).catch(
    () => undefined,
  );
  if (winner !== undefined) return winner.record;
  if (attempt.overtaken) throw new RingChangedError();
  throw nobody(attempt);
}

type First =
  | { readonly found: true; readonly record: SealedRecord | undefined }
  | { readonly found: false };

async function firstAnswer(attempt: Attempt, nodes: readonly NodeId[]): Promise<First> {
  const { ring, key } = attempt;
  const request = { type: 'replica.read', epoch: ring.epoch, key, level: 'one' } as const;
  for await (const answer of attempt.gather<'replica.read'>(nodes, () => request)) {
    await attempt.note(answer);
    if (!answer.ok) continue;
    const { record: bytes } = answer.reply;
    if (bytes === undefined) return { found: true, record: undefined };
    const record = openSealed(bytes);
    if (record?.key === key) return { found: true, record };
  }
  return { found: false };
}

function orThrow(first: First): { readonly record: SealedRecord | undefined } {
  if (first.found) return first;
  throw new Error('no answer from these replicas');
}

/** What `promise` resolves to, or `undefined` after `delayMs`. */
function within<Result>(
  clock: Clock,
  delayMs: number,
  promise: Promise<Result>,
): Promise<Result | undefined> {
  return new Promise((resolve, reject) => {
    const timer = clock.schedule(delayMs, () => resolve(undefined));
    promise.then(resolve, reject).finally(() => timer.cancel());
  });
}

/** This node first, then those that answer, in preference order. */
function byNearness({ self, membership }: CoordinatorPorts, attempt: Attempt): readonly NodeId[] {
  const distance = (node: NodeId): number => {
    if (node === self) return 0;
    return membership.isReachable(node) ? 1 : 2;
  };
  return attempt.nodes.toSorted((a, b) => distance(a) - distance(b));
}

function nobody(attempt: Attempt): ClientError {
  return new ClientError(
    attempt.expired ? 'timeout' : 'quorum_unavailable',
    `no replica of this key answered: ${attempt.troubles}. Start one of the missing nodes`,
    { required: 1, acknowledged: 0, replicas: attempt.report },
  );
}
