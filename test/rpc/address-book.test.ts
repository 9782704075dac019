import { describe, expect, test } from 'vitest';
import type { Address, NodeId } from '../../src/ids.ts';
import { AddressBook } from '../../src/rpc/address-book.ts';
import { isAddress } from '../../src/rpc/field.ts';

const node = '00112233aabbccdd' as NodeId;
const [ring, shown] = ['ring:1', 'shown:1'] as [Address, Address];

describe('the address book', () => {
  test('believes a handshake more than the ring', () => {
    const book = new AddressBook();
    book.list(node, ring);
    expect(book.addressOf(node)).toBe(ring);
    book.show(node, shown);
    book.list(node, ring);
    expect(book.addressOf(node)).toBe(shown);
  });

  test('tries the other place where one fails, back and forth', () => {
    const book = new AddressBook();
    book.list(node, ring);
    book.suggest(node, shown);
    expect(book.addressOf(node)).toBe(ring);
    book.fail(ring);
    expect(book.addressOf(node)).toBe(shown);
    book.fail(shown);
    expect(book.addressOf(node)).toBe(ring);
  });

  test('tries what another member said, and forgets nothing else for it', () => {
    const book = new AddressBook();
    const heard = 'heard:1' as Address;
    book.hear(node, heard);
    expect(book.addressOf(node)).toBe(heard);
    book.show(node, shown);
    book.list(node, ring);
    book.hear(node, heard);
    for (const next of [shown, ring, heard, shown]) {
      expect(book.addressOf(node)).toBe(next);
      book.fail(next);
    }
    expect(book.addressOf(node)).toBe(ring);
    book.strike(node, heard);
    for (const next of [ring, shown, ring]) {
      expect(book.addressOf(node)).toBe(next);
      book.fail(next);
    }
  });

  test('stays with the only place it knows', () => {
    const book = new AddressBook();
    book.list(node, ring);
    book.fail(ring);
    expect(book.addressOf(node)).toBe(ring);
  });

  test('forgets whom nothing was told of for longest, where there are too many', () => {
    const book = new AddressBook(2);
    const [first, second, third] = ['a', 'b', 'c'] as unknown as [NodeId, NodeId, NodeId];
    book.list(first, ring);
    book.list(second, ring);
    book.show(first, shown);
    book.hear(third, ring);
    expect([first, second, third].map((each) => book.addressOf(each))).toEqual([
      shown,
      undefined,
      ring,
    ]);
  });

  test('strikes a place where another node lives', () => {
    const book = new AddressBook();
    book.list(node, ring);
    book.show(node, shown);
    book.strike(node, shown);
    expect(book.addressOf(node)).toBe(ring);
    book.strike(node, ring);
    expect(book.addressOf(node)).toBeUndefined();
  });
});

test.each(['a:1', 'node-1.example.org:65535', '127.0.0.1:7400', '[::1]:7400', 'a_b:1'])(
  '%s is an address',
  (text) => {
    expect(isAddress(text)).toBe(true);
  },
);

test.each([
  'a',
  'a:0',
  'a:65536',
  'a:1/x',
  'user@a:1',
  'http://a:1',
  'file:///etc/passwd',
  '::1:7400',
  '[:::]:1',
  'a:1?x',
  'a b:1',
  ':1',
  'a\r\nx:1',
])('%j is no address', (text) => {
  expect(isAddress(text)).toBe(false);
});
