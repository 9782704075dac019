import { describe, expect, test } from 'vitest';
import { GroupCommit } from '../../src/storage/group-commit.ts';
import { type Change, StoreFailedError, StoreFullError } from '../../src/storage/store.ts';
import { key, put } from './conformance.ts';

/** A disk whose commits end when the test says so. */
class HeldDisk {
  readonly commits: (readonly string[])[] = [];
  readonly #ends: { resolve: () => void; reject: (error: unknown) => void }[] = [];

  commit(changes: readonly Change[]): Promise<void> {
    this.commits.push(changes.map((change) => Buffer.from(change.key.slice(1)).toString()));
    return new Promise((resolve, reject) => this.#ends.push({ resolve, reject }));
  }

  async succeed(): Promise<void> {
    this.#ends.shift()?.resolve();
    await turns();
  }

  async fail(error: unknown): Promise<void> {
    this.#ends.shift()?.reject(error);
    await turns();
  }
}

describe('a group commit', () => {
  test('takes together what is asked for in one turn, in the order of the calls', async () => {
    const { disk, commits } = held();
    const batches = [commits.add(change('a')), commits.add([]), commits.add(change('b', 'c'))];
    await turns();
    expect(disk.commits).toEqual([['a', 'b', 'c']]);
    await disk.succeed();
    await Promise.all(batches);
  });

  test('has one commit under way; what comes meanwhile goes into the next', async () => {
    const { disk, commits } = held();
    const ends: string[] = [];
    const add = (name: string) => void commits.add(change(name)).then(() => ends.push(name));
    add('a');
    await turns();
    add('b');
    add('c');
    await turns();
    expect(disk.commits).toEqual([['a']]);
    expect(ends).toEqual([]);
    await disk.succeed();
    expect(disk.commits).toEqual([['a'], ['b', 'c']]);
    expect(ends).toEqual(['a']);
    await disk.succeed();
    expect(ends).toEqual(['a', 'b', 'c']);
  });

  test('lets those just answered ask again before the next group is closed', async () => {
    const { disk, commits } = held();
    const again = commits.add(change('a')).then(() => commits.add(change('a again')));
    await turns();
    const other = commits.add(change('b'));
    await disk.succeed();
    expect(disk.commits).toEqual([['a'], ['b', 'a again']]);
    await disk.succeed();
    await Promise.all([again, other]);
  });

  test('does not let a group grow without end', async () => {
    const { disk, commits } = held();
    const large = (name: string): Change => ({
      type: 'put',
      key: key(name),
      value: new Uint8Array(10 * 1024 * 1024),
    });
    const batches = ['a', 'b', 'c'].map((name) => commits.add([large(name)]));
    await turns();
    await disk.succeed();
    await disk.succeed();
    await Promise.all(batches);
    expect(disk.commits).toEqual([['a', 'b'], ['c']]);
  });

  test('an error is told to all batches of its commit; what waits is not written, nor what follows', async () => {
    const { disk, commits } = held();
    const failing = [commits.add(change('a')), commits.add(change('b'))].map(failure);
    await turns();
    const waiting = failure(commits.add(change('c')));
    const broken = new Error('input/output error');
    await disk.fail(broken);
    expect(await Promise.all(failing)).toEqual([broken, broken]);
    expect(await waiting).toBeInstanceOf(StoreFailedError);
    expect(await failure(commits.add(change('d')))).toBeInstanceOf(StoreFailedError);
    expect(disk.commits).toEqual([['a', 'b']]);
  });

  test('tries the batches one by one when all together found no room', async () => {
    const { disk, commits } = held();
    const ends = Promise.allSettled(['large', 'small'].map((name) => commits.add(change(name))));
    await turns();
    await disk.fail(new StoreFullError());
    await disk.fail(new StoreFullError());
    await disk.succeed();
    expect(disk.commits).toEqual([['large', 'small'], ['large'], ['small']]);
    const [large, small] = await ends;
    expect(large).toMatchObject({ status: 'rejected', reason: expect.any(StoreFullError) });
    expect(small).toMatchObject({ status: 'fulfilled' });
    const after = commits.add(change('after'));
    await turns();
    await disk.succeed();
    await after;
  });

  test('tries no other batch when one of those tried alone fails', async () => {
    const { disk, commits } = held();
    const ends = Promise.allSettled(['a', 'b'].map((name) => commits.add(change(name))));
    await turns();
    await disk.fail(new StoreFullError());
    await disk.fail(new Error('input/output error'));
    expect((await ends).every(({ status }) => status === 'rejected')).toBe(true);
    expect(disk.commits).toEqual([['a', 'b'], ['a']]);
  });

  test('when ended, finishes what was asked for and refuses the rest', async () => {
    const { disk, commits } = held();
    const before = commits.add(change('a'));
    let ended = false;
    const end = commits.end().then(() => (ended = true));
    expect(await failure(commits.add(change('b')))).toBeInstanceOf(StoreFailedError);
    await turns();
    expect(ended).toBe(false);
    await disk.succeed();
    await Promise.all([before, end, commits.end()]);
    expect(disk.commits).toEqual([['a']]);
  });
});

function held(): { disk: HeldDisk; commits: GroupCommit } {
  const disk = new HeldDisk();
  const commit = (changes: readonly Change[]) => disk.commit(changes);
  return { disk, commits: new GroupCommit({ commit, endOfTurn: turn }) };
}

function change(...names: readonly string[]): readonly Change[] {
  return names.map((name) => put(key(name), 'x'));
}

function failure(promise: Promise<void>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** Long enough for all that follows of itself. */
async function turns(): Promise<void> {
  for (let i = 0; i < 3; i++) await turn();
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
