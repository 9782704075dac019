import type { Incarnation, NodeId } from '../ids.ts';
import { formatVersion, MAX_LOGICAL, parseVersion, type Version } from './version.ts';

/**
 * Draws versions: each one above all it drew before and above what it is shown, close to the wall
 * clock, never going back when that does (Kulkarni et al., figure 5). The logical counter carries
 * into the physical part when it is full, so it cannot overflow.
 */
export class HybridLogicalClock {
  readonly #node: NodeId;
  readonly #incarnation: Incarnation;
  #physical: number;
  #logical = 0;

  /** `startMs`: the bound that an earlier life persisted; every version it drew was before it. */
  constructor(node: NodeId, incarnation: Incarnation, startMs: number) {
    this.#node = node;
    this.#incarnation = incarnation;
    this.#physical = startMs;
  }

  /** The physical part of the latest version drawn, or the start: never goes back. Milliseconds. */
  get physicalMs(): number {
    return this.#physical;
  }

  /** A version above all drew so far and above `above`, at `wallMs` if that is later. */
  next(wallMs: number, above: Version | undefined): Version {
    const wall = Math.floor(wallMs);
    if (wall > this.#physical) {
      this.#physical = wall;
      this.#logical = 0;
    } else {
      this.#advance();
    }
    if (above !== undefined) this.#pass(above);
    return formatVersion({
      physical: this.#physical,
      logical: this.#logical,
      node: this.#node,
      incarnation: this.#incarnation,
    });
  }

  /** Somebody else's version was seen: what is drawn from now on is not before it. */
  observe(physicalMs: number): void {
    if (physicalMs <= this.#physical) return;
    this.#physical = physicalMs;
    this.#logical = 0;
  }

  #pass(above: Version): void {
    const { physical, logical } = parseVersion(above);
    if (physical < this.#physical) return;
    if (physical === this.#physical && logical < this.#logical) return;
    this.#physical = physical;
    this.#logical = logical;
    this.#advance();
  }

  #advance(): void {
    if (this.#logical < MAX_LOGICAL) {
      this.#logical += 1;
      return;
    }
    this.#physical += 1;
    this.#logical = 0;
  }
}
