import type { Socket } from 'node:net';
import type { Address, Incarnation, NodeId } from '../../src/ids.ts';
import { secretKeyOf } from '../../src/rpc/authentication.ts';
import { decodeMessages } from '../../src/rpc/codec.ts';
import { FrameReader } from '../../src/rpc/frame-reader.ts';
import { type Agreement, respond } from '../../src/rpc/handshake.ts';
import { systemRandom } from '../../src/runtime/system-random.ts';
import { hex } from './peers.ts';
import { framed } from './raw-peer.ts';

const SWITCHING =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: quorate-peer/1\r\n\r\n';

/** A member with the right secret whose answers are whatever the test makes of the requests' ids. */
export class RawResponder {
  constructor(
    socket: Socket,
    options: {
      readonly secret: string;
      readonly nodeId: NodeId;
      readonly answer: (id: number) => Buffer;
    },
  ) {
    const frames = new FrameReader(1, 2 ** 20);
    const conversation = respond({
      own: {
        nodeId: options.nodeId,
        incarnation: 1 as Incarnation,
        nonce: hex(16),
        address: '127.0.0.1:1' as Address,
        clusterId: undefined,
      },
      secret: secretKeyOf(options.secret),
      challenge: systemRandom.bytes(32),
    });
    conversation.next();
    let upgraded = false;
    let agreement: Agreement | undefined;
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      if (!upgraded) {
        upgraded = true;
        socket.write(SWITCHING);
        return;
      }
      frames.push(chunk);
      for (let frame = frames.next(); frame !== undefined; frame = frames.next()) {
        if (agreement === undefined) {
          const step = conversation.next(frame);
          if (step.done) agreement = step.value;
          const words = step.done ? step.value.lastWords : step.value;
          if (words !== undefined) socket.write(framed(words));
          continue;
        }
        const messages = decodeMessages(frame.subarray(16));
        const payload = Buffer.concat(messages.map(([id]) => options.answer(Number(id))));
        socket.write(framed(Buffer.concat([agreement.sent.next(payload), payload])));
      }
    });
  }
}
