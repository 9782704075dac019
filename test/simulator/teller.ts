import type { Address, Incarnation, NodeId } from '../../src/ids.ts';
import type { Ring } from '../../src/ring/ring.ts';
import { decodeRing, encodeRing } from '../../src/ring/ring-codec.ts';
import type { RequestOf, RequestType } from '../../src/rpc/messages.ts';
import type { Transport } from '../../src/rpc/transport.ts';
import { Life, simulatedClock } from './life.ts';
import type { Story } from './story.ts';

/** Somebody on the network who is no member: asks nodes for their ring, and tells them of others. */
export class Teller {
  readonly #story: Story;
  readonly #transport: Transport;

  constructor(story: Story) {
    const life = new Life();
    this.#story = story;
    this.#transport = story.network.connect({
      name: 'teller',
      address: 'teller:7400' as Address,
      life,
      clock: simulatedClock(story.scheduler, life, { offsetMs: 0, drift: 0 }),
      card: {
        identity: { nodeId: 'e'.repeat(16) as NodeId, incarnation: 1 as Incarnation, nonce: '' },
        clusterId: () => undefined,
      },
    });
  }

  ask<Type extends RequestType>(number: number, request: RequestOf<Type>) {
    const { address } = this.#story.node(number);
    const options = { timeoutMs: 1_000, traffic: 'membership' } as const;
    return this.#story.run(this.#transport.callAddress<Type>(address, request, options));
  }

  async ringOf(number: number): Promise<Ring> {
    const answer = await this.ask<'membership.ring'>(number, { type: 'membership.ring' });
    const ring = answer.ok && answer.reply.ring ? decodeRing(answer.reply.ring) : undefined;
    if (ring === undefined) throw new Error(`node ${number} shows no ring`);
    return ring;
  }

  async tell(number: number, ring: Ring): Promise<void> {
    await this.ask<'ring.decided'>(number, { type: 'ring.decided', ring: encodeRing(ring) });
  }
}
