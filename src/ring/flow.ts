/**
 * Flow of minimum cost through a network, by successive shortest paths; all paths of one cost and
 * length are filled in one pass (Ahuja, Magnanti, Orlin, "Network Flows", 1993, sections 9.7 and 9.8;
 * Dinic, 1970). Capacities and costs are whole numbers, so the flow is whole too.
 *
 * Arcs come in pairs: arc `a` and its reverse `a ^ 1`, whose capacity is the flow that can be taken
 * back. Arcs are tried in the opposite order of their adding, so the result is a function of the
 * order in which the network was built, and of nothing else.
 */
const NONE = -1;
const FAR = 0x7fff_ffff;

export class FlowNetwork {
  /** Per node: the arc added last. */
  readonly #latest: Int32Array;
  /** Per arc: the next one of the same node, where it leads, what still fits, and what a unit costs. */
  readonly #next: Int32Array;
  readonly #to: Int32Array;
  readonly #room: Int32Array;
  readonly #cost: Int32Array;
  #arcs = 0;

  /** Per node, its distance from the source: cost first, then number of arcs. */
  readonly #distance: Int32Array;
  readonly #hops: Int32Array;
  readonly #queue: Int32Array;
  readonly #queued: Uint8Array;
  /** Per node: the arc to try next in this pass. */
  readonly #turn: Int32Array;

  /** Room for `nodes` nodes, numbered from 0, and `arcs` arcs. */
  constructor(nodes: number, arcs: number) {
    this.#latest = new Int32Array(nodes).fill(NONE);
    this.#next = new Int32Array(2 * arcs);
    this.#to = new Int32Array(2 * arcs);
    this.#room = new Int32Array(2 * arcs);
    this.#cost = new Int32Array(2 * arcs);
    this.#distance = new Int32Array(nodes);
    this.#hops = new Int32Array(nodes);
    this.#queue = new Int32Array(nodes);
    this.#queued = new Uint8Array(nodes);
    this.#turn = new Int32Array(nodes);
  }

  /** Adds an arc and returns its number. The costs given must not form a cycle below zero. */
  addArc(from: number, to: number, capacity: number, cost: number): number {
    this.#addOneWay(from, to, capacity, cost);
    this.#addOneWay(to, from, 0, -cost);
    return this.#arcs - 2;
  }

  /** Lets `more` units pass through an arc. */
  widen(arc: number, more: number): void {
    this.#room[arc] = at(this.#room, arc) + more;
  }

  /** Units that flow through an arc. */
  flowThrough(arc: number): number {
    return at(this.#room, arc ^ 1);
  }

  /**
   * Adds as much flow as fits, each unit on the cheapest way left; returns how much it was. What
   * reached the sink through an arc is never taken back, so a second `fill` after `widen` prefers the
   * capacities of the first one to the added ones, at any cost.
   */
  fill(source: number, sink: number): number {
    let filled = 0;
    while (this.#measure(source, sink)) filled += this.#fillShortest(source, sink);
    return filled;
  }

  #addOneWay(from: number, to: number, capacity: number, cost: number): void {
    const arc = this.#arcs++;
    this.#to[arc] = to;
    this.#room[arc] = capacity;
    this.#cost[arc] = cost;
    this.#next[arc] = at(this.#latest, from);
    this.#latest[from] = arc;
  }

  /** Distances from the source (label correcting, with a queue); whether the sink can be reached. */
  #measure(source: number, sink: number): boolean {
    const queue = this.#queue;
    this.#distance.fill(FAR);
    this.#hops.fill(FAR);
    this.#distance[source] = 0;
    this.#hops[source] = 0;
    queue[0] = source;
    let head = 0;
    let waiting = 1;
    while (waiting > 0) {
      const node = at(queue, head);
      head = head + 1 === queue.length ? 0 : head + 1;
      waiting -= 1;
      this.#queued[node] = 0;
      if (node === sink) continue;
      for (let arc = at(this.#latest, node); arc !== NONE; arc = at(this.#next, arc)) {
        if (at(this.#room, arc) === 0 || !this.#shortens(node, arc)) continue;
        const to = at(this.#to, arc);
        if (at(this.#queued, to) === 1) continue;
        this.#queued[to] = 1;
        const tail = head + waiting;
        queue[tail < queue.length ? tail : tail - queue.length] = to;
        waiting += 1;
      }
    }
    return at(this.#distance, sink) !== FAR;
  }

  /** Whether the way through `arc` is shorter than the one known so far; then it is remembered. */
  #shortens(node: number, arc: number): boolean {
    const to = at(this.#to, arc);
    const distance = at(this.#distance, node) + at(this.#cost, arc);
    const hops = at(this.#hops, node) + 1;
    const known = at(this.#distance, to);
    if (distance > known || (distance === known && hops >= at(this.#hops, to))) return false;
    this.#distance[to] = distance;
    this.#hops[to] = hops;
    return true;
  }

  /** Fills ways of the shortest distance until none is left; returns the units added. */
  #fillShortest(source: number, sink: number): number {
    this.#turn.set(this.#latest);
    const way: number[] = [];
    let node = source;
    let filled = 0;
    for (;;) {
      if (node === sink) {
        filled += this.#augment(way);
        way.length = 0;
        node = source;
        continue;
      }
      const arc = this.#advance(node);
      if (arc !== NONE) {
        way.push(arc);
        node = at(this.#to, arc);
        continue;
      }
      const last = way.pop();
      if (last === undefined) return filled;
      node = at(this.#to, last ^ 1);
      this.#turn[node] = at(this.#next, last); // a dead end: not tried again in this pass
    }
  }

  /** The next arc of `node` on a shortest way, or none. */
  #advance(node: number): number {
    let arc = at(this.#turn, node);
    while (arc !== NONE && !this.#isOnShortest(node, arc)) arc = at(this.#next, arc);
    this.#turn[node] = arc;
    return arc;
  }

  #isOnShortest(node: number, arc: number): boolean {
    if (at(this.#room, arc) === 0) return false;
    const to = at(this.#to, arc);
    return (
      at(this.#hops, to) === at(this.#hops, node) + 1 &&
      at(this.#distance, to) === at(this.#distance, node) + at(this.#cost, arc)
    );
  }

  #augment(way: readonly number[]): number {
    let units = FAR;
    for (const arc of way) units = Math.min(units, at(this.#room, arc));
    for (const arc of way) {
      this.#room[arc] = at(this.#room, arc) - units;
      this.#room[arc ^ 1] = at(this.#room, arc ^ 1) + units;
    }
    return units;
  }
}

/** An element that is known to be there; a bounds check here would be most of the running time. */
function at(array: Int32Array | Uint8Array, index: number): number {
  return array[index] as number;
}
