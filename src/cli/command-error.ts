/** How a command ends when it does not end well: a sentence for people and an exit code for scripts. */

/** What the exit codes mean; a script may rely on them. */
export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  notFound: 3,
  precondition: 4,
  noQuorum: 5,
  cannotConnect: 6,
  timeout: 7,
} as const;

export type ExitReason = keyof typeof EXIT;
export type ExitCode = (typeof EXIT)[ExitReason];

export interface CommandErrorOptions extends ErrorOptions {
  /** `error` unless said otherwise. */
  readonly exit?: ExitReason;
}

/** The message may have several lines; the first one must be enough to act on. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exit: ExitReason;

  constructor(message: string, { exit = 'error', ...options }: CommandErrorOptions = {}) {
    super(message, options);
    this.exit = exit;
  }

  get exitCode(): ExitCode {
    return EXIT[this.exit];
  }
}
