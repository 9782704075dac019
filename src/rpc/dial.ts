/** Opens connections to peers. Wraps undici's client. */
import type { Duplex } from 'node:stream';
import { Client } from 'undici';
import type { Address } from '../ids.ts';
import type { PeerLimits } from './limits.ts';

export const UPGRADE_PATH = '/peer';
export const UPGRADE_PROTOCOL = 'quorate-peer/1';

/** An attempt to open a connection, under way. */
export interface Dialling {
  /** Resolves when the attempt is over and holds nothing any more, the socket it may have opened aside. */
  readonly closed: Promise<void>;
  /** Gives up; `onDialled` is not called any more. */
  cancel(): void;
}

/** Asks `address` for an upgrade; `onDialled` is called once, later, with the socket or what went wrong. */
export function dial(
  address: Address,
  { connectTimeoutMs, handshakeTimeoutMs }: PeerLimits,
  onDialled: (dialled: Duplex | Error) => void,
): Dialling {
  const client = new Client(`http://${address}`, {
    connect: { timeout: connectTimeoutMs },
    headersTimeout: handshakeTimeoutMs,
  });
  const { promise: closed, resolve } = withResolver();
  let over = false;
  const end = (): void => {
    over = true;
    client.destroy().then(resolve, resolve);
  };
  client.upgrade({ path: UPGRADE_PATH, protocol: UPGRADE_PROTOCOL }, (error, upgraded) => {
    if (over) {
      if (error === null) upgraded.socket.destroy();
      return;
    }
    end();
    onDialled(error === null ? upgraded.socket : new Error(sentenceOf(error), { cause: error }));
  });
  return { closed, cancel: end };
}

/**
 * Whether the machine is there and says that no process listens: at every address of the name. A machine
 * that is gone, or behind a filter, says nothing.
 */
export function isConnectionRefused(dialled: Duplex | Error): boolean {
  return dialled instanceof Error && isRefusal(dialled.cause);
}

function isRefusal(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isRefusal);
  return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
}

/** Why nobody could be reached, for people. */
function sentenceOf(error: Error & { readonly code?: string }): string {
  if (error.message === 'bad upgrade')
    return `what answers there does not speak ${UPGRADE_PROTOCOL}`;
  // Several addresses of one name failed: the error of all of them has no text of its own.
  return error.message || (error.code ?? error.name);
}

function withResolver(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
