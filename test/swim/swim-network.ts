import type { Incarnation, NodeId } from '../../src/ids.ts';
import { firstIncarnation, type MemberState, type News } from '../../src/swim/news.ts';
import type { HelperWord, PingOutcome } from '../../src/swim/probe.ts';
import { type Effect, Swim, type Tracked } from '../../src/swim/swim.ts';
import { SWIM_TIMING, TICK_EVERY_MS } from '../../src/swim/timing.ts';
import { SeededRandom } from '../simulator/seeded-random.ts';
import { nodeIds } from './node-ids.ts';

interface Node {
  readonly id: NodeId;
  swim: Swim;
  life: number;
  is: 'running' | 'paused' | 'killed';
  /** What happens to it once it goes on. */
  held: (() => void)[];
}

interface Event {
  readonly atMs: number;
  readonly run: () => void;
}

/** A state that one node came to believe of another. */
export interface Belief {
  readonly atMs: number;
  readonly by: NodeId;
  readonly of: NodeId;
  readonly state: MemberState;
}

/** Many detectors and what lies between them, on virtual time: nothing but the protocol itself. */
export class SwimNetwork {
  readonly ids: readonly NodeId[];
  readonly beliefs: Belief[] = [];
  /** Pings sent, those of helpers too. */
  pings = 0;
  /** Whether a message arrives. */
  arrives: (from: NodeId, to: NodeId) => boolean = () => true;
  /** What comes of opening a connection to another. Answers come over that of the request. */
  connects: (from: NodeId, to: NodeId) => 'open' | 'refused' | 'silent' = () => 'open';
  readonly #nodes: ReadonlyMap<NodeId, Node>;
  readonly #random: SeededRandom;
  readonly #events: Event[] = [];
  #ring: Tracked;
  #nowMs = 0;

  constructor(count: number, seed: number, graceMs = 60_000) {
    this.ids = nodeIds(count);
    this.#random = new SeededRandom(seed, 'swim');
    this.#ring = { members: this.ids, graceMs };
    this.#nodes = new Map(this.ids.map((id) => [id, this.#newNode(id)]));
    for (const node of this.#nodes.values()) this.#start(node);
  }

  /** Another ring comes into force, on all nodes, with the same members. */
  changeGrace(graceMs: number): void {
    this.#ring = { ...this.#ring, graceMs };
    for (const node of this.#nodes.values())
      this.#perform(node, node.swim.track(this.#ring, this.#nowMs));
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  chance(probability: number): boolean {
    return this.#random.chance(probability);
  }

  /** What `by` believes of `of`. */
  state(by: NodeId, of: NodeId): MemberState {
    return this.#node(by).swim.state(of);
  }

  /** Under which incarnation `by` knows `of`. */
  incarnation(by: NodeId, of: NodeId): number {
    return this.#node(by).swim.newsOf(of)?.incarnation ?? 0;
  }

  pass(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      // The earliest; of equal ones the first that was made.
      const earliestMs = this.#events.reduce((least, { atMs }) => Math.min(least, atMs), untilMs);
      const place = this.#events.findIndex(({ atMs }) => atMs === earliestMs);
      const [next] = place === -1 ? [] : this.#events.splice(place, 1);
      if (next === undefined) break;
      this.#nowMs = next.atMs;
      next.run();
    }
    this.#nowMs = untilMs;
  }

  kill(id: NodeId): void {
    this.#node(id).is = 'killed';
    this.#node(id).life++;
  }

  restart(id: NodeId): void {
    const node = this.#node(id);
    node.is = 'running';
    node.swim = this.#swimOf(id, node.life + 1);
    this.#start(node);
  }

  pause(id: NodeId): void {
    this.#node(id).is = 'paused';
  }

  resume(id: NodeId): void {
    const node = this.#node(id);
    node.is = 'running';
    for (const task of node.held.splice(0)) task();
  }

  #newNode(id: NodeId): Node {
    return { id, swim: this.#swimOf(id, 1), life: 0, is: 'running', held: [] };
  }

  #swimOf(self: NodeId, life: number): Swim {
    return new Swim({
      self,
      incarnation: firstIncarnation(life as Incarnation),
      timing: SWIM_TIMING,
      fraction: () => this.#random.fraction(),
      nowMs: this.#nowMs,
    });
  }

  #start(node: Node): void {
    const tick = (): void => {
      this.#perform(node, node.swim.tick(this.#nowMs));
      this.#later(node, TICK_EVERY_MS * (0.75 + this.#random.fraction() / 2), tick);
    };
    this.#later(node, this.#random.fraction() * 100, () => {
      this.#perform(node, node.swim.track(this.#ring, this.#nowMs));
      tick();
    });
  }

  #perform(node: Node, effects: readonly Effect[]): void {
    for (const effect of effects) {
      switch (effect.type) {
        case 'ping':
          this.#ping(node, effect.to, effect.timeoutMs, (outcome) =>
            this.#perform(node, node.swim.pinged(effect.probe, outcome, this.#nowMs)),
          );
          break;
        case 'ask':
          this.#ask(node, effect, (word) =>
            this.#perform(node, node.swim.helped(effect.probe, effect.helper, word, this.#nowMs)),
          );
          break;
        case 'exchange':
          this.#call<readonly News[]>(node, effect.with, 1_000, {
            news: node.swim.table,
            answer: (other, reply) => reply(other.swim.table),
            end: (heard) => {
              if (typeof heard !== 'string') this.#hear(node, heard.reply);
            },
          });
          break;
        case 'changed':
          this.beliefs.push({
            atMs: this.#nowMs,
            by: node.id,
            of: effect.member,
            state: effect.now,
          });
          break;
      }
    }
  }

  #ping(
    node: Node,
    to: NodeId,
    timeoutMs: number,
    end: (outcome: PingOutcome) => void,
    passedOn?: News,
  ): void {
    this.pings++;
    this.#call<readonly News[]>(node, to, timeoutMs, {
      news: node.swim.newsFor(to, passedOn),
      answer: (other, reply) => reply(other.swim.newsFor(node.id)),
      end: (heard) => {
        if (typeof heard !== 'string') this.#hear(node, heard.reply);
        end(typeof heard === 'string' ? heard : 'answered');
      },
    });
  }

  #ask(node: Node, asked: Extract<Effect, { type: 'ask' }>, end: (word: HelperWord) => void): void {
    const { helper, target, timeoutMs } = asked;
    const told = node.swim.newsThrough(helper, target);
    this.#call<Help>(node, helper, timeoutMs, {
      news: told.filter((each) => each.node !== target),
      answer: (other, reply) => {
        const tell = (outcome: PingOutcome): void => {
          const refuted = outcome === 'answered' ? other.swim.newsOf(target) : undefined;
          reply({ outcome, news: other.swim.newsFor(node.id, refuted) });
        };
        const ofTarget = told.find((each) => each.node === target);
        this.#ping(other, target, timeoutMs * 0.8, tell, ofTarget);
      },
      end: (heard) => {
        if (typeof heard === 'string') return end(heard === 'refused' ? 'no_help' : 'no_word');
        this.#hear(node, heard.reply.news);
        end(heard.reply.outcome);
      },
    });
  }

  #call<Reply>(node: Node, to: NodeId, timeoutMs: number, talk: Conversation<Reply>): void {
    const other = this.#node(to);
    let over = false;
    const end = (heard: Heard<Reply>): void => {
      if (!over) talk.end(heard);
      over = true;
    };
    const answer = (heard: Heard<Reply>): void =>
      this.#travel(to, node.id, () => this.#do(node, () => end(heard)));
    this.#later(node, timeoutMs, () => end('silent'));
    const connection = this.connects(node.id, to);
    if (connection === 'silent') return;
    this.#travel(node.id, to, () => {
      if (other.is === 'killed' || connection === 'refused') return answer('refused');
      this.#do(other, () => {
        this.#hear(other, talk.news);
        talk.answer(other, (reply) => answer({ reply }));
      });
    });
  }

  #hear(node: Node, news: readonly News[]): void {
    this.#perform(node, node.swim.hear(news, this.#nowMs));
  }

  #travel(from: NodeId, to: NodeId, arrive: () => void): void {
    if (!this.arrives(from, to)) return;
    const atMs = this.#nowMs + 0.5 + this.#random.fraction() * 4;
    this.#events.push({ atMs, run: arrive });
  }

  /** In this life of the node; when it goes on, if it is paused then. */
  #later(node: Node, afterMs: number, task: () => void): void {
    const { life } = node;
    const run = (): void => {
      if (node.life === life) this.#do(node, task);
    };
    this.#events.push({ atMs: this.#nowMs + afterMs, run });
  }

  #do(node: Node, task: () => void): void {
    if (node.is === 'running') task();
    else if (node.is === 'paused') node.held.push(task);
  }

  #node(id: NodeId): Node {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new RangeError(`no node ${id}`);
    return node;
  }
}

interface Help {
  readonly outcome: PingOutcome;
  readonly news: readonly News[];
}

type Heard<Reply> = { readonly reply: Reply } | 'refused' | 'silent';

interface Conversation<Reply> {
  readonly news: readonly News[];
  readonly answer: (other: Node, reply: (reply: Reply) => void) => void;
  readonly end: (heard: Heard<Reply>) => void;
}
