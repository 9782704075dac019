import type { Refusal, ReplyOf, Served } from '../rpc/messages.ts';
import type { Version } from '../version/version.ts';

type Answer = Served<ReplyOf<'replica.write'>>;

/** Refusals remembered; far more than can be given while a copy of a message is still on its way. */
const MAX_REFUSALS = 4_096;

/**
 * Serves each client's write once, however often its message arrives. A refusal is a promise: the
 * coordinator answers `not_applied` on it, so a second copy of the message must not be accepted after
 * the first one was refused (found by the simulator, seed 30033), nor the other way round.
 */
export class WriteOnce {
  readonly #serving = new Map<Version, Promise<Answer>>();
  /** Oldest first. */
  readonly #refused = new Map<Version, Refusal>();

  /** Writes under way. */
  get serving(): number {
    return this.#serving.size;
  }

  /** Refusals remembered. */
  get refusals(): number {
    return this.#refused.size;
  }

  serve(version: Version, write: () => Promise<Answer>): Promise<Answer> {
    const refusal = this.#refused.get(version);
    if (refusal !== undefined) return Promise.resolve({ ok: false, refusal });
    const under = this.#serving.get(version);
    if (under !== undefined) return under;
    const served = write()
      .then((answer) => {
        if (!answer.ok) this.#remember(version, answer.refusal);
        return answer;
      })
      .finally(() => this.#serving.delete(version));
    this.#serving.set(version, served);
    return served;
  }

  #remember(version: Version, refusal: Refusal): void {
    // The same record comes again, on purpose, to the replicas of a newer ring.
    if (refusal.reason === 'stale_epoch') return;
    this.#refused.set(version, refusal);
    const [oldest] = this.#refused.keys();
    if (this.#refused.size > MAX_REFUSALS && oldest !== undefined) this.#refused.delete(oldest);
  }
}
