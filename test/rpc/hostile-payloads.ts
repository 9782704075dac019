/** MessagePack made to hurt a decoder: none of it may be decoded, each is refused at once. */
import { Packr } from 'msgpackr';

const generous = new Packr({ structuredClone: true, moreTypes: true, useBigIntExtension: true });

const MIB = 2 ** 20;

function cyclic(): unknown {
  const list: unknown[] = [1];
  list.push(list);
  return list;
}

export const HOSTILE_PAYLOADS: readonly (readonly [name: string, payload: () => Buffer])[] = [
  ['an array of 2^32-1 values', () => Buffer.from('ddffffffff', 'hex')],
  [
    'an array of 2^32-1 values in a message',
    () => Buffer.from('93010203ddffffffff'.replace('93', '94'), 'hex'),
  ],
  ['a map of 2^32-1 pairs', () => Buffer.from('91dfffffffff', 'hex')],
  ['2^32-1 bytes', () => Buffer.from('91c6ffffffff', 'hex')],
  ['text of 2^32-1 bytes', () => Buffer.from('91dbffffffff', 'hex')],
  ['an extension of 2^32-1 bytes', () => Buffer.from('91c9ffffffff00', 'hex')],
  ['lists nested 100,000 deep', () => Buffer.alloc(100_000, 0x91)],
  ['maps nested 100,000 deep', () => Buffer.alloc(200_000, Buffer.from('8101', 'hex'))],
  ['16 MiB of nils', () => Buffer.alloc(16 * MIB, 0xc0)],
  [
    'a list of 16 MiB of nils',
    () => Buffer.concat([Buffer.from('dd01000000', 'hex'), Buffer.alloc(16 * MIB, 0xc0)]),
  ],
  ['16 MiB of empty lists', () => Buffer.alloc(16 * MIB, 0x90)],
  [
    'a BigInt of 1 MB as an extension',
    () => Buffer.concat([Buffer.from('91c9000f424042', 'hex'), Buffer.alloc(1_000_000, 0xff)]),
  ],
  ['a regular expression', () => generous.pack([/(a+)+$/])],
  ['an error', () => generous.pack([new Error('boo')])],
  ['a set', () => generous.pack([new Set([1, 2])])],
  ['a list that contains itself', () => generous.pack(cyclic())],
  ['a date', () => generous.pack([new Date(0)])],
  [
    'a map with the key __proto__',
    () => generous.pack([JSON.parse('{"__proto__":{"polluted":1}}')]),
  ],
  [
    'a map with the key constructor',
    () => generous.pack([{ constructor: { prototype: { polluted: 1 } } }]),
  ],
  ['a record as msgpackr writes it', () => new Packr().pack([{ a: 1 }])],
  ['the byte that is never used', () => Buffer.from('91c1', 'hex')],
  ['a 64-bit integer', () => Buffer.from('91cfffffffffffffffff', 'hex')],
  ['a negative number', () => Buffer.from('91ff', 'hex')],
  ['a 32-bit float', () => Buffer.from('91ca00000000', 'hex')],
  ['malformed text', () => Buffer.from('91a2c328', 'hex')],
  ['half a character', () => Buffer.from('91a3eda080', 'hex')],
  ['a message that is no list', () => Buffer.from('01', 'hex')],
  ['nothing', () => Buffer.of()],
];
