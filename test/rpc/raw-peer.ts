/** A peer that is driven byte by byte, to do what a transport never would. */
import { connect, type Socket } from 'node:net';
import type { Address, ClusterId, Incarnation, NodeId } from '../../src/ids.ts';
import { secretKeyOf } from '../../src/rpc/authentication.ts';
import { decodeMessages } from '../../src/rpc/codec.ts';
import { FrameReader } from '../../src/rpc/frame-reader.ts';
import { type Agreement, initiate } from '../../src/rpc/handshake.ts';
import { systemRandom } from '../../src/runtime/system-random.ts';
import { hex } from './peers.ts';

const UPGRADE =
  'GET /peer HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: quorate-peer/1\r\n\r\n';
const MAX_FRAME = 2 ** 25;

export interface RawSettings {
  readonly secret?: string;
  readonly nodeId?: NodeId;
  readonly incarnation?: number;
  readonly nonce?: string;
  readonly clusterId?: ClusterId;
  readonly advertise?: Address;
}

export class RawPeer {
  readonly socket: Socket;
  readonly #frames = new FrameReader(1, MAX_FRAME);
  #header = '';
  #upgraded = false;
  #agreement: Agreement | undefined;
  #wake: () => void = () => undefined;
  closed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      this.#take(chunk);
      this.#wake();
    });
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  /** Connected and upgraded; nothing was said yet. */
  static async upgrade(address: Address): Promise<RawPeer> {
    const [host = '', port = ''] = address.split(':');
    const peer = new RawPeer(connect({ host, port: Number(port) }));
    peer.socket.write(UPGRADE);
    await peer.#until(() => peer.#upgraded || peer.closed);
    return peer;
  }

  /** The handshake is done as well. */
  static async agreed(address: Address, settings: RawSettings = {}): Promise<RawPeer> {
    const peer = await RawPeer.upgrade(address);
    await peer.#shakeHands(settings);
    return peer;
  }

  async #shakeHands(settings: RawSettings): Promise<void> {
    const conversation = initiate({
      own: {
        nodeId: settings.nodeId ?? (hex(8) as NodeId),
        incarnation: (settings.incarnation ?? 1) as Incarnation,
        nonce: settings.nonce ?? hex(16),
        address: settings.advertise ?? ('127.0.0.1:1' as Address),
        clusterId: settings.clusterId,
      },
      secret: secretKeyOf(settings.secret),
      challenge: systemRandom.bytes(32),
    });
    let step = conversation.next();
    while (!step.done) {
      if (step.value !== undefined) this.sendPlain(step.value);
      const frame = await this.frame();
      if (frame === undefined) throw new Error('closed during the handshake');
      step = conversation.next(frame);
    }
    this.#agreement = step.value;
  }

  /** A frame as in the handshake, without a tag. */
  sendPlain(body: Uint8Array): void {
    this.socket.write(framed(body));
  }

  /** A frame with the right tag. */
  sendSealed(payload: Uint8Array): void {
    this.socket.write(framed(this.sealed(payload)));
  }

  /** The body of the next frame, its tag being right. */
  sealed(payload: Uint8Array): Buffer {
    if (this.#agreement === undefined) throw new Error('no agreement yet');
    return Buffer.concat([this.#agreement.sent.next(payload), payload]);
  }

  /** The body of the next frame; `undefined` when the connection is closed. */
  async frame(): Promise<Buffer | undefined> {
    let frame = this.#frames.next();
    while (frame === undefined && !this.closed) {
      await this.#once();
      frame = this.#frames.next();
    }
    return frame;
  }

  /** The messages of the next sealed frame, not checked. */
  async messages(): Promise<readonly (readonly unknown[])[] | undefined> {
    const frame = await this.frame();
    return frame === undefined ? undefined : decodeMessages(frame.subarray(16));
  }

  /** Resolves when the other side has closed. */
  async end(): Promise<void> {
    await this.#until(() => this.closed);
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await this.#once();
  }

  #once(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  #take(chunk: Buffer): void {
    if (this.#upgraded) {
      this.#frames.push(chunk);
      return;
    }
    this.#header += chunk.toString('latin1');
    const end = this.#header.indexOf('\r\n\r\n');
    if (end < 0 || !this.#header.startsWith('HTTP/1.1 101')) return;
    this.#upgraded = true;
    this.#frames.push(Buffer.from(this.#header.slice(end + 4), 'latin1'));
  }
}

export function framed(body: Uint8Array): Buffer {
  const frame = Buffer.alloc(4 + body.length);
  frame.writeUInt32BE(body.length, 0);
  frame.set(body, 4);
  return frame;
}
