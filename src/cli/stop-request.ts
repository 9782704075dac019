/**
 * Being asked to stop: SIGINT (ctrl-c) or SIGTERM. The first one is a request, which takes its time;
 * who sends a second one does not want to wait.
 */
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

export class StopRequest {
  readonly #asked = new AbortController();
  readonly #insisted = new AbortController();

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
  }

  /** Aborted by the first request. */
  get asked(): AbortSignal {
    return this.#asked.signal;
  }

  /** Aborted by the second one. */
  get insisted(): AbortSignal {
    return this.#insisted.signal;
  }

  ask(): void {
    this.#asked.abort();
  }

  /** Signals mean again what they mean to any process. */
  release(): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
  }

  readonly #onSignal = (): void => {
    if (this.#asked.signal.aborted) this.#insisted.abort();
    else this.#asked.abort();
  };
}

export function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
