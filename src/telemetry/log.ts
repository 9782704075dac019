/**
 * The log port: a sentence plus fields. error = someone must act, warn = degraded,
 * info = life cycle, debug = per request.
 */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  error(sentence: string, fields?: LogFields): void;
  warn(sentence: string, fields?: LogFields): void;
  info(sentence: string, fields?: LogFields): void;
  debug(sentence: string, fields?: LogFields): void;
}
