import { describe, expect, test } from 'vitest';
import { cell, printable, table } from '../../src/cli/table.ts';

describe('a table', () => {
  test('sets columns two spaces apart, numbers flush right, and leaves no space at the end', () => {
    const shown = table(
      ['NAME', 'KEYS', 'STATE'],
      [
        ['node1', '7', 'alive'],
        ['n2', '12345', '-'],
      ],
    );
    expect(shown).toBe(
      ['NAME    KEYS  STATE', 'node1      7  alive', 'n2     12345  -'].join('\n'),
    );
  });

  test('keeps its headings without rows', () => {
    expect(table(['NAME', 'URL'], [])).toBe('NAME  URL');
  });
});

describe('a cell', () => {
  test.each([[undefined], [null], ['']])('shows %j as absent', (value) => {
    expect(cell(value)).toBe('-');
  });

  test('shows zero and false as they are', () => {
    expect([cell(0), cell(false)]).toEqual(['0', 'false']);
  });

  test('lets nobody move the cursor', () => {
    expect(cell('a\u001b[2Jb\n')).toBe('a\\x1b[2Jb\\x0a');
    expect(printable('gr\u00fc\u00df \u{1f600}')).toBe('gr\u00fc\u00df \u{1f600}');
  });
});
