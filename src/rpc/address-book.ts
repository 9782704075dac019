import type { Address, NodeId } from '../ids.ts';

interface Places {
  /** What the ring says. */
  listed: Address | undefined;
  /** What a handshake showed: this node answered there, or named it as its own. */
  shown: Address | undefined;
  /** Where another member reached it. */
  heard: Address | undefined;
  /** The one of them that is used. */
  current: Address | undefined;
}

/**
 * More nodes are not remembered, those of which nothing was told for longest are forgotten. Four times the
 * largest ring: each ring tells of all its members.
 */
const MOST_NODES = 4_096;

/**
 * Where nodes are reached. A handshake beats the ring, and both what others say; where one place fails the
 * next is tried, so that a node is found again whichever of them is out of date.
 */
export class AddressBook {
  /** In the order in which something was told of them. */
  readonly #places = new Map<NodeId, Places>();
  readonly #mostNodes: number;

  constructor(mostNodes = MOST_NODES) {
    this.#mostNodes = mostNodes;
  }

  addressOf(node: NodeId): Address | undefined {
    return this.#places.get(node)?.current;
  }

  /** The ring says so. */
  list(node: NodeId, address: Address): void {
    const places = this.#placesOf(node);
    places.listed = address;
    places.current ??= address;
  }

  /** A handshake showed so. */
  show(node: NodeId, address: Address): void {
    const places = this.#placesOf(node);
    places.shown = address;
    places.current = address;
  }

  /** The node says so of itself: worth a try where the present one fails. */
  suggest(node: NodeId, address: Address): void {
    const places = this.#placesOf(node);
    places.shown = address;
    places.current ??= address;
  }

  /** Another member reached it there: worth a try, too, and no reason to forget what it showed itself. */
  hear(node: NodeId, address: Address): void {
    const places = this.#placesOf(node);
    places.heard = address;
    places.current ??= address;
  }

  /** Nobody could be reached at `address`: those who were sought there are sought elsewhere next. */
  fail(address: Address): void {
    for (const places of this.#places.values()) {
      if (places.current !== address) continue;
      const known = placesIn(places);
      places.current = known[(known.indexOf(address) + 1) % known.length] ?? address;
    }
  }

  /** Another node answered at `address`. */
  strike(node: NodeId, address: Address): void {
    const places = this.#places.get(node);
    if (places === undefined) return;
    if (places.shown === address) places.shown = undefined;
    if (places.listed === address) places.listed = undefined;
    if (places.heard === address) places.heard = undefined;
    if (places.current === address) places.current = placesIn(places)[0];
  }

  #placesOf(node: NodeId): Places {
    const places = this.#places.get(node) ?? nowhere();
    this.#places.delete(node);
    this.#places.set(node, places);
    const [first] = this.#places.keys();
    if (this.#places.size > this.#mostNodes && first !== undefined) this.#places.delete(first);
    return places;
  }
}

function nowhere(): Places {
  return { listed: undefined, shown: undefined, heard: undefined, current: undefined };
}

/** Each once, the best first. */
function placesIn({ shown, listed, heard }: Places): readonly Address[] {
  return [...new Set([shown, listed, heard])].filter((place) => place !== undefined);
}
