import type { Key } from '../ids.ts';
import { sealRecord } from '../version/record-codec.ts';
import type { Version } from '../version/version.ts';
import type { Attempt, CoordinatorPorts } from './attempt.ts';
import { refuseWhenClockIsOff } from './clock-gate.ts';
import { drawVersion, isFarAhead } from './draw-version.ts';
import { getUnder } from './get.ts';
import type { OperationOptions, PutResult, Value } from './operations.ts';
import { askVersions, refuseUnderPressure } from './phase-one.ts';
import { storeRecord } from './phase-two.ts';
import type { Repairs } from './repairs.ts';
import { underCurrentRing } from './under-current-ring.ts';

/**
 * Stores a value: ask a quorum for the versions held, draw one above all of them, send the record to
 * all replicas, answer when enough have it on disk. At level `one` there is one phase only.
 * @throws ClientError
 */
export async function put(
  ports: CoordinatorPorts,
  repairs: Repairs,
  key: Key,
  value: Value,
  options: OperationOptions,
): Promise<PutResult> {
  refuseWhenClockIsOff(ports);
  return underCurrentRing(ports, key, options.timeoutMs, async (attempt) => {
    if (options.consistency === 'one') return putOne(ports, repairs, attempt, value);

    const asked = await askVersions(attempt);
    refuseUnderPressure(attempt, asked, options.consistency, 'value');
    if (asked.newest !== undefined && !asked.settled && isFarAhead(ports, asked.newest)) {
      // Replicas only follow a version far ahead that they hold; a read brings it to a quorum.
      await getUnder(ports, repairs, attempt, 'quorum');
    }
    const version = await drawVersion(ports, attempt, asked.newest);
    const record = sealRecord({ key, version, content: value });
    const stored = await storeRecord(ports, repairs, attempt, record, options.consistency);
    return { version, created: !asked.exists, ...stored };
  });
}

/**
 * One phase: a version above the copy of this node, if it keeps one, and the first durable answer.
 * Whether the key is new is told by that copy; without one it counts as new.
 */
async function putOne(
  ports: CoordinatorPorts,
  repairs: Repairs,
  attempt: Attempt,
  value: Value,
): Promise<PutResult> {
  const own = await ownCopy(ports, attempt);
  const version = await drawVersion(ports, attempt, own?.version);
  const record = sealRecord({ key: attempt.key, version, content: value });
  const stored = await storeRecord(ports, repairs, attempt, record, 'one');
  return { version, created: own === undefined || own.tombstone, ...stored };
}

/** What this node itself holds of the key, when it is one of its replicas and can tell. */
async function ownCopy({ self }: CoordinatorPorts, attempt: Attempt): Promise<OwnCopy | undefined> {
  if (!attempt.nodes.includes(self)) return undefined;
  const { ring, key } = attempt;
  const request = { type: 'replica.version', epoch: ring.epoch, key, level: 'one' } as const;
  const [answer] = await attempt.gather<'replica.version'>([self], () => request).rest();
  if (!answer?.ok || answer.reply.version === undefined) return undefined;
  return { version: answer.reply.version, tombstone: answer.reply.tombstone };
}

interface OwnCopy {
  readonly version: Version;
  readonly tombstone: boolean;
}
