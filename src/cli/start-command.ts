import { setTimeout as delay } from 'node:timers/promises';
import { type Config, type Flags, loadConfig } from '../config.ts';
import { CommandError, EXIT } from './command-error.ts';
import { StopRequest, whenAborted } from './stop-request.ts';
import type { Terminal } from './terminal.ts';

export interface RunningNode {
  /** Serves the requests in flight, then lets go of everything it holds. */
  stop(): Promise<void>;
}

/** What a node may ask of its process. */
export interface ProcessHooks {
  /** Aborted when the process was asked to stop, so that a start need not be finished first. */
  readonly stopping: AbortSignal;
  /** Ends the process at once with exit code 1: going on would break a promise. */
  fail(reason: string, cause?: unknown): void;
}

/** Runs a node in this process. @throws StartupError when it cannot. */
export type StartNode = (config: Config, hooks: ProcessHooks) => Promise<RunningNode>;

/** On top of the time that requests in flight are given: closing the store. */
const CLOSING_MS = 1_000;

/** Runs one node until the process is asked to stop, or loses the `dev` that started it. */
export async function start(flags: Flags, startNode: StartNode, terminal: Terminal): Promise<void> {
  const config = loadConfig(flags, terminal.environment);
  const stop = new StopRequest();
  stop.insisted.addEventListener('abort', () => process.exit(EXIT.error));
  stopWithParent(stop);
  try {
    const stopped = run(config, startNode, terminal, stop.asked);
    const late = whenAborted(stop.asked).then(() => overdue(config));
    await Promise.race([stopped, late]);
  } finally {
    stop.release();
  }
}

async function run(
  config: Config,
  startNode: StartNode,
  terminal: Terminal,
  stopping: AbortSignal,
): Promise<void> {
  const node = await startNode(config, {
    stopping,
    fail(reason, cause): void {
      terminal.tell(`quorate: ${reason}${cause === undefined ? '' : `\n  ${String(cause)}`}`);
      process.exit(EXIT.error);
    },
  });
  await whenAborted(stopping);
  await node.stop();
}

/** A process spawned by `dev` has a channel to it, which the system closes however `dev` ends. */
function stopWithParent(stop: StopRequest): void {
  if (process.connected === undefined) return; // nobody's child in this sense
  if (process.connected) process.once('disconnect', () => stop.ask());
  else stop.ask();
}

async function overdue({ shutdownTimeoutMs }: Config): Promise<never> {
  const mostMs = shutdownTimeoutMs + CLOSING_MS;
  await delay(mostMs, undefined, { ref: false });
  throw new CommandError(`the node did not stop within ${mostMs} ms and is ended`);
}
