import type { Epoch } from '../ids.ts';
import type { Ring } from '../ring/ring.ts';
import { encodeRing } from '../ring/ring-codec.ts';
import type { Refusal, RequestContext } from '../rpc/messages.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Counters } from '../telemetry/counters.ts';
import type { Membership } from './membership.ts';

/** Whether a request may be served, and under which ring. */
export type Checked =
  | { readonly ok: true; readonly ring: Ring }
  | { readonly ok: false; readonly refusal: Refusal };

/**
 * What every request that carries an epoch passes first: one of an older epoch is refused and gets the
 * ring, one of a newer epoch has this node take that ring before anything else. Work past its deadline
 * is dropped: nobody waits for it.
 */
export class EpochCheck {
  readonly #membership: Pick<Membership, 'ring' | 'catchUp'>;
  readonly #clock: Clock;
  readonly #counters: Counters;

  constructor(options: {
    readonly membership: Pick<Membership, 'ring' | 'catchUp'>;
    readonly clock: Clock;
    readonly counters: Counters;
  }) {
    this.#membership = options.membership;
    this.#clock = options.clock;
    this.#counters = options.counters;
  }

  async check(epoch: Epoch, { from, deadlineMs }: RequestContext): Promise<Checked> {
    const held = this.#membership.ring;
    if (held === undefined || held.epoch < epoch) await this.#membership.catchUp(from);
    if (this.isLate(deadlineMs)) {
      this.#counters.add('peer_requests_expired_total');
      return { ok: false, refusal: { reason: 'expired' } };
    }
    const ring = this.#membership.ring;
    if (ring === undefined || ring.epoch < epoch)
      return { ok: false, refusal: { reason: 'not_ready' } };
    // It may have changed once more while this node caught up.
    if (ring.epoch > epoch)
      return { ok: false, refusal: { reason: 'stale_epoch', ring: encodeRing(ring) } };
    return { ok: true, ring };
  }

  /** Whether nobody waits for the answer any more. */
  isLate(deadlineMs: number): boolean {
    return this.#clock.monotonicMs() >= deadlineMs;
  }
}
