/**
 * The first thing that a node does when it finds that it was replaced while it was away: it becomes a new
 * node that remembers nothing of what it voted, counted or promised, and its records move aside, from
 * where they are offered to the others and never served (`aside.ts`).
 *
 * This happens when the store is opened, not at the moment of learning: nothing else is at work then
 * that could still write a record, a count or a vote of the old life behind it. What was learnt is on
 * disk as `departed`; a crash before the one batch that sets aside finds it again, one after it finds a
 * new node.
 */
import { StartupError } from '../errors.ts';
import { type OwnName, ownKey, ownRange, placeOf } from '../storage/keys.ts';
import { keepOwn, readOwn } from '../storage/own-state.ts';
import { readPage } from '../storage/page.ts';
import { RecordPlaces } from '../storage/record-places.ts';
import { type Change, type Entry, type Store, StoreFullError } from '../storage/store.ts';
import { keyAfter } from '../storage/store-limits.ts';
import type { Log } from '../telemetry/log.ts';
import { merge } from '../version/merge.ts';
import { openSealed } from '../version/record-codec.ts';

/** Entries read at once; fewer when they are large. */
const PAGE = 100;

/**
 * Versions never go back, whoever draws them. What the node was started with is what its operator did to
 * it, in whatever life. The other two are written anew.
 */
const STAYS: readonly OwnName[] = ['clock-bound', 'ring/started-with', 'records', 'aside'];

/** Sets this node's records aside if it departed from its cluster. @throws StartupError */
export async function setAsideIfDeparted(store: Store, log: Log): Promise<void> {
  const departed = await readOwn(store, 'departed');
  if (departed === undefined) return;
  try {
    await setAside(store, departed);
  } catch (cause) {
    if (!(cause instanceof StoreFullError)) throw cause;
    throw new StartupError(
      'the disk of the data directory is full, and this node has to set its data aside; ' +
        'free some space or grow it, then start this node again',
      { cause },
    );
  }
  log.info('the data of this node is set aside; the node goes on as a new one');
}

async function setAside(store: Store, departed: unknown): Promise<void> {
  const places = await RecordPlaces.open(store);
  await takeAlong(store, places);
  await store.batch([
    ...(await everythingElse(store)),
    keepOwn('records', { current: places.other.generation }),
    keepOwn('aside', departed),
  ]);
}

/**
 * A node that was replaced again before all was offered: what is left lies in the generation that is
 * to be the current one. It joins the records that are set aside now, so that there are never more
 * than two generations, and nothing is lost.
 */
async function takeAlong(store: Store, places: RecordPlaces): Promise<void> {
  for (;;) {
    const { entries } = await readPage(store, places.other.all, PAGE);
    if (entries.length === 0) return;
    const changes = entries.map(async (entry): Promise<readonly Change[]> => {
      const gone = { type: 'delete', key: entry.key } as const;
      const moved = await movedTo(places, entry, store);
      return moved === undefined ? [gone] : [gone, moved];
    });
    await store.batch((await Promise.all(changes)).flat());
  }
}

/** `undefined` for a damaged record, and for one than which nothing older is held. */
async function movedTo(
  places: RecordPlaces,
  { key: place, value }: Entry,
  store: Store,
): Promise<Change | undefined> {
  const at = placeOf(place);
  const left = openSealed(value);
  if (at === undefined || left?.key !== at.key) return undefined;
  const key = places.at(at.partition, at.key);
  const held = openSealed((await store.get(key)) ?? new Uint8Array());
  if (held?.key === at.key && merge(held, left) === held) return undefined;
  return { type: 'put', key, value };
}

/** All that this node kept of itself. Whatever is added to it belongs to the old life too, unless it stays. */
async function everythingElse(store: Store): Promise<readonly Change[]> {
  const stays = STAYS.map(ownKey);
  const changes: Change[] = [];
  const { start, end } = ownRange('');
  let next = start;
  for (;;) {
    const { entries, isLast } = await readPage(store, { start: next, end }, PAGE);
    for (const { key } of entries) {
      if (!stays.some((name) => name.equals(key))) changes.push({ type: 'delete', key });
    }
    const last = entries.at(-1);
    if (last === undefined || isLast) return changes;
    next = keyAfter(last.key);
  }
}
