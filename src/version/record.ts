import type { Key } from '../ids.ts';
import type { Version } from './version.ts';

/** What a client stored, or the mark that it was deleted. */
export type Content =
  | {
      readonly type: 'value';
      readonly value: Uint8Array;
      /** As the client sent it: `text/plain`. At most 255 bytes. */
      readonly contentType: string;
      /** The client's own pairs (`Quorate-Meta-*`), names in lower case without the prefix. */
      readonly metadata: ReadonlyMap<string, string>;
    }
  | { readonly type: 'tombstone' };

/** Everything kept for one key: the unit of storing, sending, comparing and merging. */
export interface Record {
  readonly key: Key;
  readonly version: Version;
  readonly content: Content;
}
