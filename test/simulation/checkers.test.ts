import { describe, expect, test } from 'vitest';
import type { Operation } from '../simulator/history.ts';
import { isLinearizable } from '../simulator/linearizability.ts';
import { registerFlaw } from '../simulator/register-checker.ts';
import { versionAt } from '../version/version-at.ts';

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

  test('finds a value that nobody wrote, and one read before it was written', () => {
    expect(registerFlaw([get('x', 0, 1, 1)])).toMatch(/nobody wrote/);
    expect(registerFlaw([get('a', 0, 1, 1), put('a', 2, 3, 1)])).toMatch(/before it was written/);
  });

  test('finds a value whose write was answered "not applied"', () => {
    const denied: Operation = { ...put('a', 0, 1), result: { is: 'not_applied' } };
    expect(registerFlaw([denied, get('a', 2, 3, 1)])).toMatch(/answered "not applied"/);
  });

  test('finds a version that stands for two values, and a value with two versions', () => {
    expect(registerFlaw([put('a', 0, 5, 1), put('b', 1, 6, 1)])).toMatch(/stands for a and b/);
    expect(registerFlaw([put('a', 0, 9, 1), get('a', 1, 8, 2)])).toMatch(/a carries/);
  });
});

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
