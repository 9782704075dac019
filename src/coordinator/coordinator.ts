import type { Key } from '../ids.ts';
import { invariant } from '../invariant.ts';
import type { Record } from '../version/record.ts';
import { decodeRecord } from '../version/record-codec.ts';
import type { CoordinatorPorts } from './attempt.ts';
import { remove } from './delete.ts';
import { get } from './get.ts';
import { locate } from './locate.ts';
import type { KeyLocation, OperationOptions, Operations, PutResult, Value } from './operations.ts';
import { put } from './put.ts';
import { Repairs } from './repairs.ts';

/** The verbs of this node's coordinator, one file each. */
export class Coordinator implements Operations {
  readonly #ports: CoordinatorPorts;
  readonly #repairs: Repairs;

  constructor(ports: CoordinatorPorts) {
    this.#ports = ports;
    this.#repairs = new Repairs(ports);
  }

  /** Repairs under way in the background. */
  get repairs(): number {
    return this.#repairs.size;
  }

  put(key: Key, value: Value, options: OperationOptions): Promise<PutResult> {
    return put(this.#ports, this.#repairs, key, value, options);
  }

  async get(key: Key, options: OperationOptions): Promise<Record | undefined> {
    const sealed = await get(this.#ports, this.#repairs, key, options);
    if (sealed === undefined || sealed.tombstone) return undefined;
    const record = decodeRecord(sealed);
    invariant(record !== undefined, 'a record whose checksum is right and whose inside adds up');
    return record;
  }

  delete(key: Key, options: OperationOptions): Promise<boolean> {
    return remove(this.#ports, this.#repairs, key, options);
  }

  /** This node's own copy of `key` was found damaged: it is healed in the background. */
  healOwn(key: Key): void {
    this.#repairs.healOwn(key);
  }

  locate(key: Key, timeoutMs: number): Promise<KeyLocation> {
    return locate(this.#ports, key, timeoutMs);
  }
}
