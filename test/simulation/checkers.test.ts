import { describe, expect, test } from 'vitest';
import type { Incarnation, Key, NodeId, Partition } from '../../src/ids.ts';
import { recordKey } from '../../src/storage/keys.ts';
import { sealRecord } from '../../src/version/record-codec.ts';
import { formatVersion, type Version } from '../../src/version/version.ts';
import { Acknowledgements } from '../simulator/acknowledgements.ts';
import { tooFewSucceeded } from '../simulator/availability.ts';
import { Bounds } from '../simulator/bounds.ts';
import { diskRecord } from '../simulator/disk-record.ts';
import { DiskWatch } from '../simulator/disk-watch.ts';
import type { Operation } from '../simulator/history.ts';
import { appliedThoughDenied, inventions } from '../simulator/invention.ts';
import { isLinearizable } from '../simulator/linearizability.ts';
import { registerFlaw } from '../simulator/register-checker.ts';
import { versionAt } from '../version/version-at.ts';

const KEPT = { mayLose: false, isBack: () => false };

describe('the search for an order', () => {
  test('finds one for operations that overlap', () => {
    expect(isLinearizable([put('a', 0, 10), get('a', 5, 6), get(undefined, 1, 4)])).toBe(true);
  });

  test('finds none when a read goes back in time', () => {
    const story = [put('a', 0, 1), put('b', 2, 3), get('b', 4, 5), get('a', 6, 7)];
    expect(isLinearizable(story)).toBe(false);
  });

  test('finds none when an acknowledged write is lost', () => {
    expect(isLinearizable([put('a', 0, 1), get(undefined, 2, 3)])).toBe(false);
  });

  test('lets an unknown write take effect late, once, or never', () => {
    const unknown: Operation = { ...put('a', 0, 1), result: { is: 'unknown' } };
    expect(isLinearizable([unknown, get(undefined, 2, 3), get('a', 4, 5)])).toBe(true);
    expect(isLinearizable([unknown, get(undefined, 2, 3)])).toBe(true);
    expect(
      isLinearizable([unknown, put('b', 2, 3), get('a', 4, 5), put('c', 6, 7), get('a', 8, 9)]),
    ).toBe(false);
  });

  test('never lets a write that was denied take effect', () => {
    const denied: Operation = { ...put('a', 0, 1), result: { is: 'not_applied' } };
    expect(isLinearizable([denied, get('a', 2, 3)])).toBe(false);
  });

  test('holds a delete to what it found', () => {
    expect(isLinearizable([put('a', 0, 1), remove(true, 2, 3), remove(false, 4, 5)])).toBe(true);
    expect(isLinearizable([put('a', 0, 1), remove(false, 2, 3)])).toBe(false);
  });
});

describe('the judge by versions', () => {
  test('finds a read that goes back in time', () => {
    const story = [put('a', 0, 1, 1), put('b', 2, 3, 2), get('b', 4, 5, 2), get('a', 6, 7, 1)];
    expect(registerFlaw(story.slice(0, 3))).toBeUndefined();
    expect(registerFlaw(story)).toMatch(/get of k .* after .* had shown/);
  });

  test('finds a write that is below an earlier acknowledged one', () => {
    expect(registerFlaw([put('a', 0, 1, 2), put('b', 2, 3, 1)])).toMatch(/put of k .* after/);
  });

  test('finds a version that stands for two values, and a value with two versions', () => {
    expect(registerFlaw([put('a', 0, 5, 1), put('b', 1, 6, 1)])).toMatch(/stands for a and b/);
    expect(registerFlaw([put('a', 0, 9, 1), get('a', 1, 8, 2)])).toMatch(/a carries/);
  });
});

describe('the judge of inventions', () => {
  test('finds a value that nobody wrote, and one read before it was written', () => {
    expect(inventions('k', [put('a', 0, 1), get('a', 2, 3)], [])).toEqual([]);
    expect(inventions('k', [get('x', 0, 1)], [])).toMatchObject([{ checker: 'no-invention' }]);
    expect(inventions('k', [get('a', 0, 1), put('a', 2, 3)], [])).toHaveLength(1);
  });

  test('finds what a disk keeps and nobody wrote, or deleted', () => {
    const [kept, tombstone] = [onDisk(1, 'a'), onDisk(2, undefined)];
    expect(inventions('k', [put('a', 0, 1)], [kept])).toEqual([]);
    expect(inventions('k', [put('b', 0, 1)], [kept])).toHaveLength(1);
    expect(inventions('k', [put('a', 0, 1)], [tombstone])).toHaveLength(1);
    expect(inventions('k', [remove(true, 0, 1)], [tombstone])).toEqual([]);
  });
});

describe('the judge of denied writes', () => {
  const denied: Operation = { ...put('a', 0, 1), result: { is: 'not_applied' } };

  test('finds a value read whose write was answered "not applied"', () => {
    expect(appliedThoughDenied([denied, get('b', 2, 3)], () => false)).toEqual([]);
    expect(appliedThoughDenied([denied, get('a', 2, 3)], () => false)).toMatchObject([
      { checker: 'not-applied', sentence: expect.stringContaining('returned a') },
    ]);
  });

  test('finds one that was on a disk, though nobody read it', () => {
    expect(appliedThoughDenied([denied], (value) => value === 'a')).toHaveLength(1);
    expect(appliedThoughDenied([put('a', 0, 1)], () => true)).toEqual([]);
  });
});

describe('the judge of acknowledgements', () => {
  const three = (...synced: readonly number[]): Acknowledgements => {
    const disks = new DiskWatch();
    synced.forEach((at, node) => {
      disks.write(keeper(node), PLACE, sealed(versionAt(at), 'a'), undefined);
    });
    return new Acknowledgements(disks, 'quorum');
  };
  const atRest = [[[0, 1, 2].map(idOf)]];

  test('wants a quorum of disks to hold a write when it is acknowledged', () => {
    for (const [synced, flaws] of [
      [[1, 1], 0],
      [[1, 2, 0], 0],
      [[1, 0, 0], 1],
      [[], 1],
    ] as const) {
      const judge = three(...synced);
      judge.ended(put('a', 0, 1, 1), atRest);
      expect(judge.atTheEnd(new Map(), new Map([['k', onDisk(9, 'z')]]), KEPT)).toHaveLength(flaws);
    }
  });

  test('wants a quorum of disks beyond what was acknowledged when a delete began', () => {
    for (const [synced, flaws] of [
      [[2, 2], 0],
      [[2, 1, 1], 1],
    ] as const) {
      const judge = three(...synced);
      judge.ended(put('a', 0, 1, 1), atRest);
      const removal = remove(true, 2, 3);
      judge.begun(removal);
      judge.ended(removal, atRest);
      expect(judge.atTheEnd(new Map(), new Map([['k', onDisk(9, 'z')]]), KEPT)).toHaveLength(flaws);
    }
  });

  test('wants no more of survivors than what was acknowledged since they went on without others', () => {
    const judge = three(2, 2, 0, 3, 3);
    judge.ended(put('a', 0, 1, 3), [[[3, 4].map(idOf)]]); // who are gone soon
    judge.recovers('k');
    const removal = remove(true, 2, 3);
    judge.begun(removal);
    judge.ended(removal, atRest);
    expect(judge.atTheEnd(new Map(), new Map([['k', onDisk(9, 'z')]]), KEPT)).toEqual([]);
  });

  test('wants the newest acknowledged write, or a newer one, to be there at the end', () => {
    const endingWith = (final: readonly [string, ReturnType<typeof onDisk>][]) => {
      const judge = three(5, 5);
      judge.ended(put('a', 0, 1, 5), atRest);
      return judge.atTheEnd(new Map(), new Map(final), KEPT);
    };
    expect(endingWith([['k', onDisk(5, 'a')]])).toEqual([]);
    expect(endingWith([['k', onDisk(4, 'a')]])).toMatchObject([{ checker: 'acknowledged-kept' }]);
    expect(endingWith([])).toHaveLength(1);
  });

  test('wants deleted to stay deleted, unless the value was written at the same time or later', () => {
    const final = new Map([['k', onDisk(1, 'a')]]);
    const judge = (...operations: readonly Operation[]) =>
      three().atTheEnd(new Map([['k', operations]]), final, KEPT);
    const judgeBack = (...operations: readonly Operation[]) =>
      three().atTheEnd(new Map([['k', operations]]), final, { ...KEPT, isBack: () => true });
    const unknown: Operation = { ...put('a', 0, 1), endMs: undefined, result: { is: 'unknown' } };
    expect(judge(put('a', 0, 1), remove(true, 2, 3))).toHaveLength(1);
    expect(judge(unknown, get('a', 1, 2), remove(false, 3, 4))).toHaveLength(1);
    expect(judgeBack(put('a', 0, 1), remove(true, 2, 3))).toHaveLength(1);
    expect(judgeBack(put('a', 0, 1), remove(false, 2, 3))).toEqual([]);
    expect(judge(unknown, remove(true, 2, 3))).toEqual([]);
    expect(judge(put('a', 0, 5), remove(true, 2, 3))).toEqual([]);
  });
});

describe('the judge of disks', () => {
  test('finds a record that goes back, and none that is replaced after damage', () => {
    const disks = new DiskWatch();
    disks.write(keeper(1), PLACE, sealed(versionAt(2), 'b'), undefined);
    disks.write(keeper(1), PLACE, sealed(versionAt(1), 'a'), undefined);
    expect(disks.flaws).toEqual([]);
    disks.write(keeper(1), PLACE, sealed(versionAt(1), 'a'), onDisk(2, 'b'));
    expect(disks.flaws).toMatchObject([{ checker: 'no-going-back' }]);
  });

  test('finds a damaged record that a node wrote', () => {
    const disks = new DiskWatch();
    disks.write(keeper(1), PLACE, sealed(versionAt(2), 'b').subarray(1), undefined);
    expect(disks.flaws).toMatchObject([{ checker: 'no-going-back' }]);
  });

  test('finds a version that stands for two records', () => {
    const disks = new DiskWatch();
    disks.write(keeper(1), PLACE, sealed(versionAt(1), 'a'), undefined);
    disks.write(keeper(2), PLACE, sealed(versionAt(1), 'a'), undefined);
    expect(disks.flaws).toEqual([]);
    disks.write(keeper(2), PLACE, sealed(versionAt(1), 'b'), undefined);
    expect(disks.flaws).toMatchObject([{ checker: 'versions' }]);
  });

  test('finds a node whose versions go back from one life to the next', () => {
    const lives = (...drawn: readonly [number, number][]) => {
      const disks = new DiskWatch();
      for (const [at, incarnation] of drawn)
        disks.write(keeper(1), PLACE, sealed(versionIn(at, incarnation), `v${at}`), undefined);
      return disks.flaws;
    };
    expect(lives([1, 1], [3, 1], [4, 2], [2, 1])).toEqual([]);
    expect(lives([1, 1], [3, 1], [2, 2])).toMatchObject([{ checker: 'versions' }]);
  });

  test('lets a version follow one of another node that is far ahead', () => {
    const disks = new DiskWatch();
    disks.write(keeper(1), PLACE, sealed(versionAt(99), 'far'), undefined);
    disks.write(keeper(1), PLACE, sealed(versionIn(99, 1), 'above'), undefined);
    disks.write(keeper(1), PLACE, sealed(versionIn(2, 2), 'later life'), undefined);
    expect(disks.flaws).toEqual([]);
  });

  test('reads records without the help of the product', () => {
    expect(onDisk(7, 'text')).toEqual({ key: 'k', version: versionAt(7), value: 'text' });
    expect(onDisk(7, undefined)).toEqual({ key: 'k', version: versionAt(7), value: undefined });
    const elsewhere = recordKey(1, 1 as Partition, 'other' as Key);
    expect(diskRecord(elsewhere, sealed(versionAt(7), 'text'))).toBeUndefined();
  });
});

describe('the judge of sizes', () => {
  test('finds what piles up, and what is left', () => {
    const bounds = new Bounds();
    bounds.during('node1', 'replica_applies', 100);
    bounds.atRest('node1', 'replica_applies', 0);
    expect(bounds.flaws).toEqual([]);
    bounds.during('node1', 'replica_applies', 100_000);
    bounds.atRest('node2', 'replica_applies', 1);
    expect(bounds.flaws).toHaveLength(2);
  });
});

describe('the judge of availability', () => {
  const quiet = { level: 'quorum', replicas: 3, lossy: false, faults: new Set<string>() } as const;
  const failed: Operation = { ...put('a', 0, 1), result: { is: 'unknown' } };
  const requests = (good: number, bad: number): Operation[] => [
    ...Array.from({ length: good }, () => put('a', 0, 1)),
    ...Array.from({ length: bad }, () => failed),
  ];

  test('wants nearly all requests to succeed without faults', () => {
    expect(tooFewSucceeded(requests(98, 2), quiet)).toEqual([]);
    expect(tooFewSucceeded(requests(90, 10), quiet)).toHaveLength(1);
  });

  test('wants half of them where the faults leave a quorum, and nothing where they do not', () => {
    const crashes = { ...quiet, faults: new Set(['crash']) };
    const blackouts = { ...quiet, faults: new Set(['crash', 'crash_of_all']) };
    expect(tooFewSucceeded(requests(60, 40), crashes)).toEqual([]);
    expect(tooFewSucceeded(requests(40, 60), crashes)).toHaveLength(1);
    expect(tooFewSucceeded(requests(40, 60), { ...crashes, level: 'all' })).toEqual([]);
    expect(tooFewSucceeded(requests(40, 60), blackouts)).toEqual([]);
  });

  test('counts no requests of moments in which several nodes were down', () => {
    const crashes = { ...quiet, faults: new Set(['crash']) };
    const [good, bad] = [requests(60, 0), requests(0, 100)];
    const late = bad.map((each) => ({ ...each, shortHanded: true }));
    expect(tooFewSucceeded([...good, ...late], crashes)).toEqual([]);
    expect(tooFewSucceeded([...good, ...bad], crashes)).toHaveLength(1);
  });
});

function keeper(node: number) {
  return { name: `node${node}`, id: idOf(node) };
}

function idOf(node: number): NodeId {
  return String(node).padStart(16, '0') as NodeId;
}

const K = 'k' as Key;
const PLACE = recordKey(1, 1 as Partition, K);

function sealed(version: Version, text: string | undefined): Uint8Array {
  const value = { value: Buffer.from(text ?? ''), contentType: 'text/plain' };
  const metadata = new Map([['name', 'meta']]);
  const content =
    text === undefined
      ? ({ type: 'tombstone' } as const)
      : ({ type: 'value', ...value, metadata } as const);
  return sealRecord({ key: K, version, content }).bytes;
}

function onDisk(at: number, text: string | undefined) {
  const record = diskRecord(PLACE, sealed(versionAt(at), text));
  if (record === undefined) throw new Error('a sound record');
  return record;
}

function versionIn(physical: number, incarnation: number): Version {
  const node = '00000000000000aa' as NodeId;
  return formatVersion({ physical, logical: 0, node, incarnation: incarnation as Incarnation });
}

function put(value: string, startMs: number, endMs: number, at?: number): Operation {
  return operation({ kind: 'put', value }, startMs, endMs, { is: 'ok', ...versioned(at) });
}

function get(value: string | undefined, startMs: number, endMs: number, at?: number): Operation {
  return operation({ kind: 'get' }, startMs, endMs, { is: 'ok', value, ...versioned(at) });
}

function remove(found: boolean, startMs: number, endMs: number): Operation {
  return operation({ kind: 'delete' }, startMs, endMs, { is: 'ok', found });
}

function operation(
  action: Operation['action'],
  startMs: number,
  endMs: number,
  result: Operation['result'],
): Operation {
  return { client: 1, coordinator: 'node1', key: 'k', action, startMs, endMs, result };
}

function versioned(at: number | undefined) {
  return at === undefined ? {} : { version: versionAt(at) };
}
