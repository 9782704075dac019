/**
 * Looks through MessagePack bytes before anything is decoded. A decoder believes what it reads: 16 MiB
 * of nils became 819 MB of objects in `msgpackr`, an extension may hold anything. What passes here is
 * what messages need: lists of nil, booleans, non-negative numbers of up to 32 bits, 64-bit floats
 * (for larger ones), well-formed text, bytes, and lists again. No maps, so no keys to pollute
 * anything with; no extensions; no negative or 64-bit integers.
 */
import { isUtf8 } from 'node:buffer';
import { FrameRefusedError } from './frame-refused-error.ts';

/** Lists within lists, the message itself being the first. */
export const MAX_DEPTH = 8;
/** Values in one frame, lists and what is in them. */
export const MAX_ELEMENTS = 65_536;

/** @throws FrameRefusedError unless `bytes` are messages, one after the other, each of them a list */
export function guardMessages(bytes: Buffer): void {
  const end = bytes.length;
  /** Per open list, the values still to come. */
  const open: number[] = [];
  let depth = 0;
  let elements = 0;
  let at = 0;

  while (at < end) {
    const lead = bytes[at] ?? 0;
    at++;
    let listed: number | undefined;
    if (lead <= 0x7f) {
      // A small number: this byte is all of it.
    } else if (lead >= 0x90 && lead <= 0x9f) {
      listed = lead & 0x0f;
    } else if (lead >= 0xa0 && lead <= 0xbf) {
      at = textEnd(bytes, at, lead & 0x1f);
    } else {
      switch (lead) {
        case 0xc0: // nil
        case 0xc2: // false
        case 0xc3: // true
          break;
        case 0xc4: // bytes
          at = skip(bytes, at + 1, sizeAt(bytes, at, 1));
          break;
        case 0xc5:
          at = skip(bytes, at + 2, sizeAt(bytes, at, 2));
          break;
        case 0xc6:
          at = skip(bytes, at + 4, sizeAt(bytes, at, 4));
          break;
        case 0xcb: // 64-bit float
          at = skip(bytes, at, 8);
          break;
        case 0xcc: // unsigned integers
          at = skip(bytes, at, 1);
          break;
        case 0xcd:
          at = skip(bytes, at, 2);
          break;
        case 0xce:
          at = skip(bytes, at, 4);
          break;
        case 0xd9: // text
          at = textEnd(bytes, at + 1, sizeAt(bytes, at, 1));
          break;
        case 0xda:
          at = textEnd(bytes, at + 2, sizeAt(bytes, at, 2));
          break;
        case 0xdb:
          at = textEnd(bytes, at + 4, sizeAt(bytes, at, 4));
          break;
        case 0xdc: // lists
          listed = sizeAt(bytes, at, 2);
          at += 2;
          break;
        case 0xdd:
          listed = sizeAt(bytes, at, 4);
          at += 4;
          break;
        default:
          throw new FrameRefusedError(`byte 0x${lead.toString(16)} where no message has it`);
      }
    }

    if (depth === 0 && listed === undefined) throw new FrameRefusedError('a message is a list');
    // A list's values count as announced, before it is believed that they come.
    elements += (depth === 0 ? 1 : 0) + (listed ?? 0);
    if (elements > MAX_ELEMENTS) throw new FrameRefusedError(`more than ${MAX_ELEMENTS} values`);
    if (listed !== undefined && listed > 0) {
      if (depth === MAX_DEPTH) throw new FrameRefusedError(`lists nested deeper than ${MAX_DEPTH}`);
      open[depth] = listed;
      depth++;
    } else {
      // A value is complete, and with it every list of which it was the last.
      while (depth > 0) {
        const left = (open[depth - 1] ?? 1) - 1;
        open[depth - 1] = left;
        if (left > 0) break;
        depth--;
      }
    }
  }
  if (depth > 0) throw new FrameRefusedError('a message that breaks off');
}

/** The big-endian number of `width` bytes at `at`. */
function sizeAt(bytes: Buffer, at: number, width: 1 | 2 | 4): number {
  skip(bytes, at, width);
  return bytes.readUIntBE(at, width);
}

/** Where `length` bytes from `at` on end. */
function skip(bytes: Buffer, at: number, length: number): number {
  const end = at + length;
  if (end > bytes.length) throw new FrameRefusedError('a message that breaks off');
  return end;
}

/** Where text of `length` bytes from `at` on ends. */
function textEnd(bytes: Buffer, at: number, length: number): number {
  const end = skip(bytes, at, length);
  for (let each = at; each < end; each++) {
    if ((bytes[each] ?? 0) < 0x80) continue;
    // Not plain ASCII. A decoder would mend malformed text silently, each one in its own way.
    if (isUtf8(bytes.subarray(each, end))) break;
    throw new FrameRefusedError('text that is not well-formed UTF-8');
  }
  return end;
}
