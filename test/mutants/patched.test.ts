import { describe, expect, test } from 'vitest';
import { CHECKERS } from '../simulator/flaw.ts';
import { MUTANTS, type Mutant } from './mutants.ts';
import { patched } from './patched.ts';

const MUTANT: Mutant = {
  name: 'no-sync',
  file: 'src/disk.js',
  original: 'await sync();',
  replacement: 'sync();',
  wrong: 'nobody waits for the disk',
};

describe('a planted bug', () => {
  test('stands where the original stood', () => {
    expect(patched('write(); await sync(); done();', MUTANT)).toBe('write(); sync(); done();');
  });

  test('is refused when its place is gone, or not the only one', () => {
    expect(() => patched('write();', MUTANT)).toThrow('no-sync: its place occurs 0 times');
    expect(() => patched('await sync(); await sync();', MUTANT)).toThrow('occurs 2 times');
  });

  test('has a name of its own', () => {
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
  });
});

test('for every judge there is a mutant that it alone is to catch', () => {
  const alone = MUTANTS.flatMap(({ alone }) => alone ?? []);
  expect(alone.toSorted()).toEqual(CHECKERS.toSorted());
});
