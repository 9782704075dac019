import type { Refusal, ReplyOf, Served } from '../rpc/messages.ts';
import type { Version } from '../version/version.ts';

type Answer = Served<ReplyOf<'replica.write'>>;

/** Answers remembered of each kind; far more than can be given while a copy of a message is on its way. */
const MAX_REMEMBERED = 4_096;

/** What is on this disk would be refused now. The coordinator is to hear that it does not know. */
export class AcceptedBeforeError extends Error {
  override readonly name = 'AcceptedBeforeError';
}

/**
 * Serves each client's write once, however often its message arrives. A refusal is a promise: the
 * coordinator answers `not_applied` on it, so a second copy of the message must not be accepted after
 * the first one was refused (found by the simulator, seed 30033), nor refused after the first one was
 * accepted, say because the disk is full since: that answer may be there first (seed 1016598).
 */
export class WriteOnce {
  readonly #serving = new Map<Version, Promise<Answer>>();
  /** Oldest first. */
  readonly #refused = new Map<Version, Refusal>();
  readonly #accepted = new Set<Version>();

  /** Writes under way. */
  get serving(): number {
    return this.#serving.size;
  }

  /** Refusals remembered. */
  get refusals(): number {
    return this.#refused.size;
  }

  /** @throws AcceptedBeforeError */
  serve(version: Version, write: () => Promise<Answer>): Promise<Answer> {
    const refusal = this.#refused.get(version);
    if (refusal !== undefined) return Promise.resolve({ ok: false, refusal });
    const under = this.#serving.get(version);
    if (under !== undefined) return this.#after(under, version, write);
    const served = write()
      .then(
        (answer) => {
          if (answer.ok) this.#rememberAccepted(version);
          else this.#rememberRefused(version, answer.refusal);
          return answer;
        },
        (error: unknown) => {
          this.#rememberAccepted(version); // it may be on the disk
          throw error;
        },
      )
      .finally(() => this.#serving.delete(version));
    this.#serving.set(version, served);
    return served;
  }

  /**
   * What the message under way is answered; or, when that one is refused for its epoch, what this one is:
   * it may be the same record, sent again under the newer ring, read from the socket in the same moment.
   */
  async #after(
    under: Promise<Answer>,
    version: Version,
    write: () => Promise<Answer>,
  ): Promise<Answer> {
    const answer = await under;
    const isStale = !answer.ok && answer.refusal.reason === 'stale_epoch';
    return isStale ? this.serve(version, write) : answer;
  }

  #rememberAccepted(version: Version): void {
    this.#accepted.add(version);
    const [oldest] = this.#accepted;
    if (this.#accepted.size > MAX_REMEMBERED && oldest !== undefined) this.#accepted.delete(oldest);
  }

  #rememberRefused(version: Version, refusal: Refusal): void {
    if (this.#accepted.has(version))
      throw new AcceptedBeforeError(
        `a write that is on this disk would be refused: ${refusal.reason}`,
      );
    // The same record comes again, on purpose, to the replicas of a newer ring.
    if (refusal.reason === 'stale_epoch') return;
    this.#refused.set(version, refusal);
    const [oldest] = this.#refused.keys();
    if (this.#refused.size > MAX_REMEMBERED && oldest !== undefined) this.#refused.delete(oldest);
  }
}
