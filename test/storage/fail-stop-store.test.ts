import { beforeEach, describe, expect, test } from 'vitest';
import { InvariantError } from '../../src/invariant.ts';
import { FailStopStore } from '../../src/storage/fail-stop-store.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { StoreFailedError, StoreFullError, StoreReadError } from '../../src/storage/store.ts';
import { key, put, storeConformance, textAt } from './conformance.ts';

storeConformance({
  name: 'a fail-stop store',
  keeps: false,
  fresh: async () => ({
    open: async () => new FailStopStore(new MemoryStore(), { fail: () => {} }),
    remove: async () => {},
  }),
});

const RANGE = { start: key('a'), end: key('b') };

/** A store of which the next calls fail as the test says. */
class FailingStore extends MemoryStore {
  writeError: unknown;
  readError: unknown;
  /** Holds back writes and reads until it resolves. */
  until: Promise<void> | undefined;

  override async batch(...args: Parameters<MemoryStore['batch']>): Promise<void> {
    const error = this.writeError;
    await this.until;
    if (error !== undefined) throw error;
    await super.batch(...args);
  }

  override async deleteRange(...args: Parameters<MemoryStore['deleteRange']>): Promise<void> {
    if (this.writeError !== undefined) throw this.writeError;
    await super.deleteRange(...args);
  }

  override async get(...args: Parameters<MemoryStore['get']>): Promise<Uint8Array | undefined> {
    await this.until;
    if (this.readError !== undefined) throw this.readError;
    return super.get(...args);
  }
}

describe('a fail-stop store', () => {
  let below: FailingStore;
  let failures: unknown[];
  let store: FailStopStore;

  beforeEach(async () => {
    below = new FailingStore();
    failures = [];
    store = new FailStopStore(below, { fail: (_reason, cause) => void failures.push(cause) });
    await store.batch([put(key('a'), 'x')]);
  });

  test.each([
    ['batch', () => store.batch([put(key('a'), 'y')])],
    ['deletion of a range', () => store.deleteRange(RANGE)],
  ])('ends the node at the first failed %s', async (_, write) => {
    const broken = new Error('input/output error');
    below.writeError = broken;
    await expect(write()).rejects.toThrow(StoreFailedError);
    expect(failures).toEqual([broken]);
  });

  test('takes no call after that, even when the disk is well again, and ends the node once', async () => {
    below.writeError = new Error('input/output error');
    await expect(store.batch([put(key('a'), 'y')])).rejects.toThrow(StoreFailedError);
    below.writeError = undefined;
    const calls = [
      () => store.batch([put(key('a'), 'z')]),
      () => store.deleteRange(RANGE),
      () => store.get(key('a')),
      () => store.scan(RANGE, 1),
      () => store.space(),
    ];
    for (const call of calls) await expect(call()).rejects.toThrow(StoreFailedError);
    expect(await textAt(below, key('a'))).toBe('x');
    expect(failures).toHaveLength(1);
  });

  test('acknowledges and answers nothing that was under way when a write failed', async () => {
    let release = () => {};
    below.until = new Promise((resolve) => (release = resolve));
    const [batch, read] = [store.batch([put(key('b'), 'y')]), store.get(key('a'))];
    const ends = Promise.allSettled([batch, read]);
    below.until = undefined;
    below.writeError = new Error('input/output error');
    await expect(store.batch([])).rejects.toThrow(StoreFailedError);
    release();
    for (const end of await ends) {
      expect(end).toMatchObject({ status: 'rejected', reason: expect.any(StoreFailedError) });
    }
    expect(failures).toHaveLength(1);
  });

  test('passes on that the disk is full, and goes on', async () => {
    below.writeError = new StoreFullError('full');
    await expect(store.batch([put(key('a'), 'y')])).rejects.toThrow(StoreFullError);
    below.writeError = undefined;
    await store.batch([put(key('a'), 'z')]);
    expect(await textAt(store, key('a'))).toBe('z');
    expect(failures).toEqual([]);
  });

  test('passes on that a key is refused, and goes on', async () => {
    await expect(store.batch([put(new Uint8Array(), 'y')])).rejects.toThrow(InvariantError);
    expect(await textAt(store, key('a'))).toBe('x');
    expect(failures).toEqual([]);
  });

  test('passes on that something cannot be read, and goes on', async () => {
    below.readError = new StoreReadError('damaged');
    await expect(store.get(key('a'))).rejects.toThrow(StoreReadError);
    below.readError = undefined;
    expect(await textAt(store, key('a'))).toBe('x');
    expect(failures).toEqual([]);
  });

  test('a call after it was closed is refused, and no reason to end the node', async () => {
    below.writeError = new StoreFailedError('the store is closed');
    const late = store.deleteRange(RANGE); // under way while it closes
    await store.close();
    await expect(late).rejects.toThrow(StoreFailedError);
    await expect(store.batch([])).rejects.toThrow(StoreFailedError);
    expect(failures).toEqual([]);
  });
});
