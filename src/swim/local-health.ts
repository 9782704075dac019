/**
 * How much this node trusts itself (Lifeguard, section IV-A, "local health multiplier"): a node that
 * hears nobody is more likely sick than everybody else dead. The score rises with what speaks against
 * the node itself and falls with each probe that was answered; the longer its probes then take, and the
 * fewer they are, the fewer members it suspects.
 */
export class LocalHealth {
  readonly #worst: number;
  #score = 0;

  constructor(worst: number) {
    this.#worst = worst;
  }

  /** From 1, healthy, to `worst` + 1: how much longer everything takes. */
  get multiplier(): number {
    return this.#score + 1;
  }

  /** A probe was answered. */
  improve(): void {
    this.#score = Math.max(0, this.#score - 1);
  }

  /** A silence that nobody could check, a helper that said nothing at all, or this node itself was suspected. */
  worsen(by = 1): void {
    this.#score = Math.min(this.#worst, this.#score + by);
  }
}
