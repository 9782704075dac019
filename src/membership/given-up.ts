/**
 * After a forced ring neither part of a cluster pings the other any more. Should those who were given up
 * live all the same, somebody has to tell them: this node looks at the addresses where they lived, one
 * after the other, for as long as it remembers them.
 */
import type { Address } from '../ids.ts';
import type { Transport } from '../rpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import { Loop } from '../runtime/loop.ts';
import type { Random } from '../runtime/random.ts';
import type { Log } from '../telemetry/log.ts';
import type { FoundingTerms } from './founding-terms.ts';
import type { RingHolder } from './ring-holder.ts';

const LOOK_EVERY_MS = 5_000;
const CALL_TIMEOUT_MS = 2_000;

interface GivenUpOptions {
  readonly rings: Pick<RingHolder, 'ring' | 'encoded'>;
  readonly terms: Pick<FoundingTerms, 'address'>;
  readonly transport: Pick<Transport, 'call' | 'callAddress'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export class GivenUp {
  readonly #options: GivenUpOptions;
  #loop: Loop | undefined;
  #stopped = false;
  #next = 0;

  constructor(options: GivenUpOptions) {
    this.#options = options;
  }

  /** To be called with each ring that comes into force: the first forced one begins it. */
  begin(): void {
    const { rings, clock, random, log } = this.#options;
    // A ring may come into force while the node ends.
    if (
      this.#stopped ||
      this.#loop !== undefined ||
      rings.ring === undefined ||
      rings.ring.givenUp.length === 0
    )
      return;
    this.#loop = new Loop({
      clock,
      random,
      everyMs: LOOK_EVERY_MS,
      turn: () => this.#look(),
      onError: (cause) =>
        log.error('those who were given up could not be looked for', { err: cause }),
    });
  }

  /** Nobody is looked for any more; resolves when the look under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop?.stop();
  }

  async #look(): Promise<void> {
    const { rings, transport, terms } = this.#options;
    const { ring, encoded } = rings;
    if (ring === undefined || encoded === undefined) return;
    const taken = new Set<Address>([
      terms.address(),
      ...ring.members.map(({ address }) => address),
    ]);
    const addresses = ring.givenUp.filter((address) => !taken.has(address));
    const address = addresses[this.#next++ % Math.max(1, addresses.length)];
    if (address === undefined) return;
    const options = { timeoutMs: CALL_TIMEOUT_MS, traffic: 'membership' } as const;
    const answer = await transport.callAddress(address, { type: 'membership.introduce' }, options);
    if (!answer.ok) return;
    const { epoch, clusterName } = answer.reply;
    if (clusterName !== ring.clusterName || epoch === 0 || epoch >= ring.epoch) return;
    await transport.call(answer.from, { type: 'ring.decided', ring: encoded }, options);
  }
}
