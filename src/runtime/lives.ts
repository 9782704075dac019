/** A node from its start to its end, within a process. */
export interface Life {
  /** Serves what is in flight, then lets go of everything. Calling it twice is fine. */
  end(): Promise<void>;
}

/** The lives of a node within one process: each begins when the one before has ended. */
export class Lives {
  readonly #start: () => Promise<Life>;
  readonly #onFailure: (cause: unknown) => void;
  #present: Promise<Life> | undefined;
  #asked = false;
  #over = false;

  /** `onFailure` hears why the next life could not begin. */
  constructor(start: () => Promise<Life>, onFailure: (cause: unknown) => void) {
    this.#start = start;
    this.#onFailure = onFailure;
  }

  /** The first life. Rejects when it cannot begin. */
  async begin(): Promise<void> {
    this.#present = this.#start();
    await this.#present;
  }

  /** Ends the present life and begins another one, unless that is under way or all is over. */
  restart(): void {
    if (this.#present === undefined || this.#asked || this.#over) return;
    this.#asked = true;
    this.#present = this.#present.then((life) => this.#after(life));
    this.#present.catch(this.#onFailure);
  }

  /** No life begins any more; resolves when the present one has ended. */
  async end(): Promise<void> {
    this.#over = true;
    const life = await this.#present;
    await life?.end();
  }

  async #after(life: Life): Promise<Life> {
    await life.end();
    if (this.#over) return life;
    this.#asked = false;
    return this.#start();
  }
}
