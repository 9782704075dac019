/**
 * What every store owes, sentence by sentence of the port (`src/storage/store.ts`). One suite for all
 * adapters, the simulated one included.
 */
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { InvariantError } from '../../src/invariant.ts';
import {
  type Change,
  type Entry,
  type KeyRange,
  MAX_STORE_KEY_BYTES,
  type Store,
  StoreFailedError,
} from '../../src/storage/store.ts';
import { keyAfter } from '../../src/storage/store-limits.ts';

/** What a store lies on: a folder, a server, nothing. */
export interface Ground {
  /** Opens the store that lies there. */
  open(): Promise<Store>;
  /** Ends and removes all of it; the store is closed already. */
  remove(): Promise<void>;
}

export interface StoreKind {
  /** Reads in a sentence: `the LMDB store`. */
  readonly name: string;
  /** A new, empty ground. */
  readonly fresh: () => Promise<Ground>;
  /** Whether what was closed is found again by the next `open`. */
  readonly keeps: boolean;
}

/** On a busy machine, and on a mock. */
const SLOW_MS = 30_000;

const ALL: KeyRange = { start: bytes(0), end: bytes(0xff) };

export function storeConformance({ name, fresh, keeps }: StoreKind): void {
  describe(name, () => {
    let ground: Ground;
    let store: Store;

    beforeEach(async () => {
      ground = await fresh();
      store = await ground.open();
    });

    afterEach(async () => {
      await store.close();
      await ground.remove();
    });

    test('finds what was put, and nothing else', async () => {
      await store.batch([put(key('a'), 'one'), put(key('b'), 'two')]);
      expect(await textAt(store, key('a'))).toBe('one');
      expect(await textAt(store, key('b'))).toBe('two');
      expect(await store.get(key('c'))).toBeUndefined();
      expect(await store.get(key(''))).toBeUndefined();
    });

    test('puts over what was there', async () => {
      await store.batch([put(key('a'), 'one, and long')]);
      await store.batch([put(key('a'), 'two')]);
      expect(await textAt(store, key('a'))).toBe('two');
      expect(await store.scan(ALL, 10)).toHaveLength(1);
    });

    test('forgets what was deleted; what is not there may be deleted', async () => {
      await store.batch([put(key('a'), 'one'), put(key('b'), 'two')]);
      await store.batch([remove(key('a')), remove(key('never there'))]);
      expect(await store.get(key('a'))).toBeUndefined();
      expect(await keysOf(store.scan(ALL, 10))).toEqual([hex(key('b'))]);
    });

    test('applies the changes of a batch in their order', async () => {
      await store.batch([
        put(key('put last'), '1'),
        remove(key('put last')),
        put(key('put last'), '2'),
        put(key('deleted last'), '1'),
        remove(key('deleted last')),
      ]);
      expect(await textAt(store, key('put last'))).toBe('2');
      expect(await store.get(key('deleted last'))).toBeUndefined();
    });

    test('takes an empty batch', async () => {
      await expect(store.batch([])).resolves.toBeUndefined();
    });

    test('tells an empty value from none', async () => {
      await store.batch([put(key('empty'), '')]);
      expect(await store.get(key('empty'))).toEqual(new Uint8Array());
      expect(await store.scan(ALL, 10)).toEqual([{ key: key('empty'), value: new Uint8Array() }]);
    });

    test('keeps every byte of a value, up to 1 MiB', async () => {
      const sizes = [1, 2_000, 16_384, 65_536, 1024 * 1024];
      const values = sizes.map((size) => new Uint8Array(randomBytes(size)));
      await store.batch(values.map((value, i) => ({ type: 'put', key: key(`${i}`), value })));
      for (const [i, value] of values.entries()) {
        expect(same(await store.get(key(`${i}`)), value)).toBe(true);
      }
      const entries = await store.scan(ALL, 10);
      expect(entries.map(({ value }, i) => same(value, values[i]))).toEqual(sizes.map(() => true));
    });

    test(`takes keys of 1 to ${MAX_STORE_KEY_BYTES} bytes`, async () => {
      const longest = new Uint8Array(MAX_STORE_KEY_BYTES).fill(1);
      await store.batch([put(bytes(1), 'short'), put(longest, 'long')]);
      expect(await textAt(store, bytes(1))).toBe('short');
      expect(await textAt(store, longest)).toBe('long');
      expect(await keysOf(store.scan(ALL, 10))).toEqual([hex(bytes(1)), hex(longest)]);
      await store.batch([remove(longest)]);
      expect(await store.get(longest)).toBeUndefined();
    });

    test.each([
      ['an empty key', bytes()],
      ['a longer key', new Uint8Array(MAX_STORE_KEY_BYTES + 1)],
      ['a key that is kept for the adapter', bytes(0xff, 1)],
    ])('refuses %s, and the batch it is in', async (_, refused) => {
      await expect(store.get(refused)).rejects.toThrow(InvariantError);
      const batch = store.batch([put(key('before'), 'x'), put(refused, 'x'), put(key('z'), 'x')]);
      await expect(batch).rejects.toThrow(InvariantError);
      await expect(store.batch([remove(refused)])).rejects.toThrow(InvariantError);
      expect(await store.scan(ALL, 10)).toEqual([]);
      await store.batch([put(key('after'), 'x')]);
      expect(await textAt(store, key('after'))).toBe('x');
    });

    test('scans in the order of the bytes, from the start of the range up to its end', async () => {
      await store.batch(shuffled(TRICKY_KEYS).map((each) => put(each, hex(each))));
      for (const start of [bytes(), ...TRICKY_KEYS]) {
        for (const end of [...TRICKY_KEYS, bytes(0xff), bytes(0xff, 0xff, 0xff)]) {
          const wanted = TRICKY_KEYS.filter(
            (each) => Buffer.compare(start, each) <= 0 && Buffer.compare(each, end) < 0,
          );
          const found = await store.scan({ start, end }, 100);
          expect(found.map((entry) => hex(entry.key))).toEqual(wanted.map(hex));
          expect(found.map(({ value }) => text(value))).toEqual(wanted.map(hex));
        }
      }
    });

    test('scans at most `limit` entries; fewer mean that the range has ended', async () => {
      const keys = Array.from({ length: 7 }, (_, i) => key(`${i}`));
      await store.batch(keys.map((each) => put(each, 'x')));
      const range = { start: key('1'), end: key('5') };
      for (const limit of [0, 1, 3, 4, 5, Number.MAX_SAFE_INTEGER]) {
        const wanted = keys.slice(1, 5).slice(0, limit).map(hex);
        expect(await keysOf(store.scan(range, limit))).toEqual(wanted);
      }
    });

    test('scans no further than the value that makes it `maxBytes`', async () => {
      const keys = Array.from({ length: 5 }, (_, i) => key(`${i}`));
      const values = ['', 'xx', 'xxx', 'x', 'xxxxxxxx'];
      await store.batch(keys.map((each, i) => put(each, values[i] ?? '')));
      const most = Number.MAX_SAFE_INTEGER;
      const found: number[] = [];
      for (const maxBytes of [0, 1, 2, 3, 5, 6, 7, 14, most]) {
        found.push((await store.scan(ALL, 100, maxBytes)).length);
      }
      expect(found).toEqual([1, 2, 2, 3, 3, 4, 5, 5, 5]);
      expect(await store.scan(ALL, 2, 100)).toHaveLength(2);
    });

    test('a scan can go on after the key that the last one ended with, however long', async () => {
      const longest = new Uint8Array(MAX_STORE_KEY_BYTES).fill(1);
      await store.batch([put(longest, 'x'), put(bytes(1, 1), 'x'), put(bytes(1, 2), 'x')]);
      const found: string[] = [];
      for (let start = ALL.start; ; ) {
        const [entry] = await store.scan({ start, end: ALL.end }, 1);
        if (entry === undefined) break;
        found.push(hex(entry.key));
        start = keyAfter(entry.key);
      }
      expect(found).toEqual([bytes(1, 1), longest, bytes(1, 2)].map(hex));
      const upTo = await store.scan({ start: ALL.start, end: keyAfter(longest) }, 10);
      expect(upTo.map((entry) => hex(entry.key))).toEqual([bytes(1, 1), longest].map(hex));
    });

    test(
      'deletes a range, and nothing beside it',
      async () => {
        const keys = Array.from({ length: 1_100 }, (_, i) => key(String(i).padStart(5, '0')));
        await store.batch(keys.map((each) => put(each, 'x')));
        await store.deleteRange({ start: key('00050'), end: key('01080') });
        const left = [...keys.slice(0, 50), ...keys.slice(1_080)].map(hex);
        expect(await keysOf(store.scan(ALL, 10_000))).toEqual(left);
        expect(await store.get(key('00050'))).toBeUndefined();
        await store.deleteRange({ start: key('9'), end: key('0') });
        await store.deleteRange({ start: key('00050'), end: key('01080') });
        expect(await keysOf(store.scan(ALL, 10_000))).toEqual(left);
      },
      SLOW_MS,
    );

    test('deletes from a range what was asked for before', async () => {
      const before = store.batch([put(key('a'), 'x')]);
      await Promise.all([before, store.deleteRange(ALL)]);
      expect(await store.scan(ALL, 10)).toEqual([]);
    });

    test('what was handed in may be changed when it has been stored', async () => {
      const around = Uint8Array.from(randomBytes(64));
      const [ownKey, ownValue] = [around.subarray(5, 15), around.subarray(20, 50)];
      ownKey[0] = 1;
      const [wantedKey, wantedValue] = [ownKey.slice(), ownValue.slice()];
      await store.batch([{ type: 'put', key: ownKey, value: ownValue }]);
      expect([ownKey, ownValue]).toEqual([wantedKey, wantedValue]);
      around.fill(0);
      expect(await store.get(wantedKey)).toEqual(wantedValue);
      expect(await store.scan(ALL, 10)).toEqual([{ key: wantedKey, value: wantedValue }]);
    });

    test('what was handed out belongs to the caller', async () => {
      const [small, large] = [randomBytes(10), randomBytes(100_000)].map((b) => Uint8Array.from(b));
      await store.batch([
        { type: 'put', key: key('a'), value: small ?? bytes() },
        { type: 'put', key: key('b'), value: large ?? bytes() },
      ]);
      for (let round = 0; round < 2; round++) {
        const entries = await store.scan(ALL, 10);
        const found = [await store.get(key('a')), await store.get(key('b')), ...both(entries)];
        expect(found.map((each) => each && hash(each))).toEqual(
          [small, large, key('a'), small, key('b'), large].map((each) => each && hash(each)),
        );
        await store.batch([put(key('c'), 'other reads and writes in between'), remove(key('c'))]);
        expect(same(found[1], large)).toBe(true);
        for (const each of found) each?.fill(7);
      }
    });

    test('of many batches at once on one key, the last call wins', async () => {
      const calls = Array.from({ length: 500 }, (_, i) => store.batch([put(key('a'), `${i}`)]));
      await Promise.all(calls);
      expect(await textAt(store, key('a'))).toBe('499');
    });

    test('what was acknowledged is seen by every read from then on', async () => {
      let acknowledged = -1;
      await Promise.all(
        Array.from({ length: 100 }, async (_, i) => {
          await store.batch([put(key('a'), `${i}`), put(key(`own ${i}`), `${i}`)]);
          acknowledged = Math.max(acknowledged, i);
          const least = acknowledged;
          expect(Number(await textAt(store, key('a')))).toBeGreaterThanOrEqual(least);
          expect(await textAt(store, key(`own ${i}`))).toBe(`${i}`);
        }),
      );
    });

    test(
      'no reader sees a part of a batch',
      async () => {
        const rounds = 200;
        let writing = true;
        await store.batch([put(key('left'), '0'), put(key('right'), '0'), put(key('here'), 'x')]);
        async function write(): Promise<void> {
          for (let i = 1; i <= rounds; i++) {
            await store.batch([
              ...[put(key('left'), `${i}`), put(key('right'), `${i}`)],
              ...(i % 2 === 1
                ? [remove(key('here')), put(key('there'), 'x')]
                : [put(key('here'), 'x'), remove(key('there'))]),
            ]);
          }
          writing = false;
        }
        async function read(): Promise<void> {
          let last = 0;
          while (writing) {
            const entries = await store.scan(ALL, 10);
            const found = new Map(
              entries.map((each) => [text(each.key.slice(1)), text(each.value)]),
            );
            expect(found.get('left')).toBe(found.get('right'));
            expect(found.size).toBe(3);
            const now = Number(found.get('left'));
            expect(now).toBeGreaterThanOrEqual(last);
            last = now;
          }
        }
        await Promise.all([write(), read(), read()]);
      },
      SLOW_MS,
    );

    test('tells how much room there is', async () => {
      expect(['ample', 'low', 'exhausted']).toContain(await store.space());
    });

    test('finishes the batches under way before it closes', async () => {
      const batches = Array.from({ length: 50 }, (_, i) => store.batch([put(key(`${i}`), 'x')]));
      await store.close();
      await Promise.all(batches);
      if (!keeps) return;
      store = await ground.open();
      expect(await store.scan(ALL, 100)).toHaveLength(50);
    });

    test('can be closed twice, and refuses calls from then on', async () => {
      await store.batch([put(key('a'), 'x')]);
      await Promise.all([store.close(), store.close()]);
      await store.close();
      await expect(store.get(key('a'))).rejects.toThrow(StoreFailedError);
      await expect(store.batch([put(key('a'), 'x')])).rejects.toThrow(StoreFailedError);
      await expect(store.scan(ALL, 1)).rejects.toThrow(StoreFailedError);
      await expect(store.deleteRange(ALL)).rejects.toThrow(StoreFailedError);
      await expect(store.space()).rejects.toThrow(StoreFailedError);
    });

    test.runIf(keeps)('finds again what it was closed with', async () => {
      const value = Uint8Array.from(randomBytes(100_000));
      await store.batch([put(key('a'), 'one'), { type: 'put', key: key('b'), value }]);
      await store.batch([put(bytes(0), 'own'), put(key('gone'), 'x')]);
      await store.batch([remove(key('gone'))]);
      await store.close();
      store = await ground.open();
      expect(await textAt(store, key('a'))).toBe('one');
      expect(same(await store.get(key('b')), value)).toBe(true);
      expect(await keysOf(store.scan(ALL, 10))).toEqual([bytes(0), key('a'), key('b')].map(hex));
    });

    test(
      'does what a sorted list would do',
      async () => {
        await fc.assert(
          fc.asyncProperty(fc.array(STEP, { maxLength: 25 }), async (steps) => {
            await store.deleteRange(ALL);
            const list = new SortedList();
            for (const step of steps) await take(step, store, list);
            expect(await store.scan(ALL, 1_000)).toEqual(list.scan(ALL, 1_000));
          }),
          { numRuns: 60 },
        );
      },
      SLOW_MS,
    );
  });
}

/** One of a kind, from small to large: prefixes of each other, the first and the last byte. */
const TRICKY_KEYS: readonly Uint8Array[] = [
  bytes(0),
  bytes(0, 0),
  bytes(0, 0, 0xff),
  bytes(0, 1),
  bytes(0, 0xff),
  bytes(1),
  bytes(1, 0),
  bytes(1, 0, 0),
  bytes(1, 0x0a),
  bytes(1, 0x0d, 0x0a),
  bytes(1, 0x28),
  bytes(1, 0x2b),
  bytes(1, 0x5b),
  bytes(1, 0x7f),
  bytes(1, 0x80),
  bytes(1, 0xc3, 0xa9),
  bytes(1, 0xe2, 0x82, 0xac),
  bytes(1, 0xff),
  bytes(1, 0xff, 0),
  bytes(1, 0xff, 0xff),
  bytes(2),
  bytes(2, 0, 0xff),
  bytes(0xfe, 0xff, 0xff),
];

type Step =
  | { readonly type: 'batch'; readonly changes: readonly Change[] }
  | { readonly type: 'scan'; readonly range: KeyRange; readonly limit: number }
  | { readonly type: 'get'; readonly key: Uint8Array }
  | { readonly type: 'deleteRange'; readonly range: KeyRange };

/** Few different keys, so that they meet. */
const A_BYTE = fc.constantFrom(0, 1, 0x61, 0x7f, 0x80, 0xff);
const A_KEY = fc
  .tuple(fc.constantFrom(0, 1, 2), fc.array(A_BYTE, { maxLength: 3 }))
  .map(([first, rest]) => bytes(first, ...rest));
const A_RANGE = fc.record({ start: A_KEY, end: A_KEY });
const A_CHANGE: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    type: fc.constant('put' as const),
    key: A_KEY,
    value: fc.uint8Array({ maxLength: 20 }),
  }),
  fc.record({ type: fc.constant('delete' as const), key: A_KEY }),
);
const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('batch' as const), changes: fc.array(A_CHANGE) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('scan' as const), range: A_RANGE, limit: fc.nat(8) }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('get' as const), key: A_KEY }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('deleteRange' as const), range: A_RANGE }),
  },
);

/** The plainest store there is. */
class SortedList {
  #entries: Entry[] = [];

  get(wanted: Uint8Array): Uint8Array | undefined {
    return this.#entries.find((entry) => same(entry.key, wanted))?.value;
  }

  batch(changes: readonly Change[]): void {
    for (const change of changes) {
      this.#entries = this.#entries.filter((entry) => !same(entry.key, change.key));
      if (change.type === 'put') this.#entries.push({ key: change.key, value: change.value });
    }
    this.#entries.sort((a, b) => Buffer.compare(a.key, b.key));
  }

  scan(range: KeyRange, limit: number): readonly Entry[] {
    return this.#entries.filter((entry) => isIn(range, entry.key)).slice(0, limit);
  }

  deleteRange(range: KeyRange): void {
    this.#entries = this.#entries.filter((entry) => !isIn(range, entry.key));
  }
}

async function take(step: Step, store: Store, list: SortedList): Promise<void> {
  switch (step.type) {
    case 'batch':
      await store.batch(step.changes);
      list.batch(step.changes);
      return;
    case 'deleteRange':
      await store.deleteRange(step.range);
      list.deleteRange(step.range);
      return;
    case 'get':
      expect(await store.get(step.key)).toEqual(list.get(step.key));
      return;
    case 'scan':
      expect(await store.scan(step.range, step.limit)).toEqual(list.scan(step.range, step.limit));
  }
}

function isIn({ start, end }: KeyRange, each: Uint8Array): boolean {
  return Buffer.compare(start, each) <= 0 && Buffer.compare(each, end) < 0;
}

export function put(at: Uint8Array, value: string): Change {
  return { type: 'put', key: at, value: Uint8Array.from(Buffer.from(value)) };
}

export function remove(at: Uint8Array): Change {
  return { type: 'delete', key: at };
}

/** A key as records have them. */
export function key(name: string): Uint8Array {
  return bytes(1, ...Buffer.from(name));
}

export async function textAt(store: Store, at: Uint8Array): Promise<string | undefined> {
  const value = await store.get(at);
  return value && text(value);
}

function bytes(...values: readonly number[]): Uint8Array {
  return Uint8Array.from(values);
}

function text(value: Uint8Array): string {
  return Buffer.from(value).toString();
}

function hex(value: Uint8Array): string {
  return Buffer.from(value).toString('hex');
}

/** Short enough to be shown when two differ. */
function hash(value: Uint8Array): string {
  return `${value.length} bytes ${hex(value.subarray(0, 16))}...${hex(value.slice(-16))}`;
}

/** As `toEqual`, which takes long for a large array. */
function same(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && Buffer.compare(a, b) === 0;
}

function both(entries: readonly Entry[]): readonly Uint8Array[] {
  return entries.flatMap((entry) => [entry.key, entry.value]);
}

async function keysOf(scan: Promise<readonly Entry[]>): Promise<readonly string[]> {
  return (await scan).map((entry) => hex(entry.key));
}

function shuffled<Element>(elements: readonly Element[]): readonly Element[] {
  return elements
    .map((element, i) => ({ element, at: (i * 7_919) % 31 }))
    .sort((a, b) => a.at - b.at)
    .map(({ element }) => element);
}
