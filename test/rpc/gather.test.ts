import { describe, expect, test } from 'vitest';
import type { NodeId } from '../../src/ids.ts';
import { Gather } from '../../src/rpc/gather.ts';
import type { Answer } from '../../src/rpc/transport.ts';
import { HandClock } from '../runtime/hand-clock.ts';

const [a, b, c] = ['aaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbb', 'cccccccccccccccc'] as [
  NodeId,
  NodeId,
  NodeId,
];

/** Nodes that answer when the test says so. */
class Answering {
  readonly asked: NodeId[] = [];
  readonly #resolvers = new Map<NodeId, PromiseWithResolve>();

  readonly call = (to: NodeId): Promise<Answer<string>> => {
    this.asked.push(to);
    return new Promise((resolve, reject) => this.#resolvers.set(to, { resolve, reject }));
  };

  answer(from: NodeId, reply = 'yes'): void {
    this.#resolvers.get(from)?.resolve({ ok: true, from, reply });
  }

  break(from: NodeId): void {
    this.#resolvers.get(from)?.reject(new Error('a bug in the call'));
  }
}

interface PromiseWithResolve {
  readonly resolve: (answer: Answer<string>) => void;
  readonly reject: (error: Error) => void;
}

function start(nodes: readonly NodeId[] = [a, b, c]) {
  const clock = new HandClock();
  const nodesAsked = new Answering();
  const gather = new Gather<string>(nodes, nodesAsked.call, clock, 100);
  return { clock, nodes: nodesAsked, gather };
}

describe('gathering answers', () => {
  test('asks all at once and hands out answers in order of arrival', async () => {
    const { nodes, gather, clock } = start();
    expect(nodes.asked).toEqual([a, b, c]);
    const order: NodeId[] = [];
    nodes.answer(b);
    for await (const { from } of gather) {
      order.push(from);
      if (from === b) nodes.answer(c);
      if (from === c) nodes.answer(a);
    }
    expect(order).toEqual([b, c, a]);
    expect(clock.timers).toBe(0);
  });

  test('counts whoever is silent until the deadline as timed out', async () => {
    const { nodes, gather, clock } = start();
    nodes.answer(a);
    const all = gather.rest();
    await Promise.resolve();
    clock.advance(99);
    expect(gather.waiting).toEqual([b, c]);
    clock.advance(1);
    expect(await all).toEqual([
      { ok: true, from: a, reply: 'yes' },
      { ok: false, from: b, failure: 'timeout' },
      { ok: false, from: c, failure: 'timeout' },
    ]);
  });

  test('drops an answer that comes after the deadline', async () => {
    const { nodes, gather, clock } = start([a]);
    clock.advance(100);
    nodes.answer(a);
    await Promise.resolve();
    expect(await gather.rest()).toEqual([{ ok: false, from: a, failure: 'timeout' }]);
    expect(await gather.rest()).toEqual([]);
  });

  test('never throws: a call that rejects is a failed answer', async () => {
    const { nodes, gather } = start([a]);
    nodes.break(a);
    expect(await gather.rest()).toEqual([{ ok: false, from: a, failure: 'failed' }]);
  });

  test('leaves the remaining answers to whoever asks for the rest', async () => {
    const { nodes, gather } = start();
    nodes.answer(a);
    nodes.answer(b);
    for await (const answer of gather) {
      expect(answer.from).toBe(a);
      break;
    }
    const rest = gather.rest();
    nodes.answer(c);
    expect((await rest).map(({ from }) => from)).toEqual([b, c]);
  });

  test('asks a node once that is named twice', async () => {
    const { nodes, gather } = start([a, a]);
    expect(nodes.asked).toEqual([a]);
    nodes.answer(a);
    expect(await gather.rest()).toHaveLength(1);
  });

  test('is over at once, and leaves no timer, when there is nobody to ask', async () => {
    const { gather, clock } = start([]);
    expect(await gather.rest()).toEqual([]);
    expect(clock.timers).toBe(0);
  });
});
