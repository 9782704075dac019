/** What nodes ask each other about the rings that they hold, outside of any decision. */
import type { NodeId } from '../ids.ts';
import type { Ring } from '../ring/ring.ts';
import type { Transport } from '../rpc/transport.ts';
import type { RingHolder } from './ring-holder.ts';

export const INTRODUCE = { type: 'membership.introduce' } as const;
export const CALL = { timeoutMs: 2_000, traffic: 'membership' } as const;

/** Who asks, and what it does with an answer. */
export interface Inquirer {
  readonly self: NodeId;
  readonly rings: Pick<RingHolder, 'ring' | 'adopt'>;
  readonly transport: Transport;
}

/** Asks a member for the ring that it holds, and takes it if it is newer. */
export async function takeRingOf(
  from: NodeId,
  { self, rings, transport }: Inquirer,
): Promise<void> {
  if (from === self) return;
  const answer = await transport.call(from, { type: 'membership.ring' }, CALL);
  if (answer.ok && answer.reply.ring !== undefined) await rings.adopt(answer.reply.ring);
}

/**
 * Whether most of the voters of a forced ring, or of one that followed, hold it. One may have moved since it
 * was decided: the ring's address is only the second place where each is sought.
 */
export async function isHeldByMost(
  { voters, epoch }: Ring,
  transport: Transport,
): Promise<boolean> {
  const asked = voters.map(async ({ id, address }) => {
    const known = await transport.call(id, INTRODUCE, CALL);
    const answer = known.ok ? known : await transport.callAddress(address, INTRODUCE, CALL);
    return answer.ok && answer.from === id && answer.reply.epoch >= epoch;
  });
  const held = (await Promise.all(asked)).filter((holds) => holds);
  return 2 * held.length > voters.length;
}
