import { ownKey, placeOf } from '../storage/keys.ts';
import { readOwn } from '../storage/own-state.ts';
import { readPage } from '../storage/page.ts';
import type { RecordPlaces } from '../storage/record-places.ts';
import { type Entry, type Store, StoreReadError } from '../storage/store.ts';
import { keyAfter } from '../storage/store-limits.ts';
import { openSealed, type SealedRecord } from '../version/record-codec.ts';

/** Entries read at once; fewer when they are large. */
const PAGE = 32;

/** A record that was set aside. */
export interface AsideRecord {
  readonly place: Uint8Array;
  /** `undefined`: it is damaged. */
  readonly record: SealedRecord | undefined;
}

/**
 * Records of a former life of this node, set aside when it was replaced (`set-aside.ts`). They are read
 * to be offered, never to answer a request. What was offered is removed at once, so that a restart goes on
 * with what is left.
 */
export class Aside {
  readonly #store: Store;
  readonly #places: RecordPlaces;

  private constructor(store: Store, places: RecordPlaces) {
    this.#store = store;
    this.#places = places;
  }

  /** `undefined` when nothing is set aside. */
  static async open(store: Store, places: RecordPlaces): Promise<Aside | undefined> {
    const kept = await readOwn(store, 'aside');
    return kept === undefined ? undefined : new Aside(store, places.other);
  }

  /** The next records after that place, in the order of their places; none at the end. */
  async after(place: Uint8Array | undefined): Promise<readonly AsideRecord[] | 'unreadable'> {
    const { start, end } = this.#places.all;
    const from = place === undefined ? start : keyAfter(place);
    try {
      const { entries } = await readPage(this.#store, { start: from, end }, PAGE);
      return entries.map(asideRecord);
    } catch (error) {
      if (error instanceof StoreReadError) return 'unreadable';
      throw error;
    }
  }

  async remove(places: readonly Uint8Array[]): Promise<void> {
    if (places.length === 0) return;
    await this.#store.batch(places.map((key) => ({ type: 'delete', key })));
  }

  /** Nothing is left: from now on nothing is set aside. */
  async end(): Promise<void> {
    await this.#store.batch([{ type: 'delete', key: ownKey('aside') }]);
  }
}

/** A record that lies under another key than its own is damaged too. */
function asideRecord({ key: place, value }: Entry): AsideRecord {
  const record = openSealed(value);
  return { place, record: record?.key === placeOf(place)?.key ? record : undefined };
}
