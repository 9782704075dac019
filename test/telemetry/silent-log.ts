import type { Log } from '../../src/telemetry/log.ts';

const nothing = (): void => undefined;

/** For tests that do not look at the log. */
export const silentLog: Log = { error: nothing, warn: nothing, info: nothing, debug: nothing };
