import type { Key } from '../ids.ts';
import { sealRecord } from '../version/record-codec.ts';
import type { Version } from '../version/version.ts';
import { type Attempt, type CoordinatorPorts, underCurrentRing } from './attempt.ts';
import { refuseWhenClockIsOff } from './clock-gate.ts';
import { get } from './get.ts';
import type { OperationOptions } from './operations.ts';
import { askVersions } from './phase-one.ts';
import { storeRecord } from './phase-two.ts';
import type { Repairs } from './repairs.ts';

/**
 * Deletes a key by writing a tombstone like a value. False when there was nothing to delete; that
 * answer is a read, and owes what a quorum read owes: a quorum must be known to hold it.
 * @throws ClientError
 */
export async function remove(
  ports: CoordinatorPorts,
  repairs: Repairs,
  key: Key,
  options: OperationOptions,
): Promise<boolean> {
  refuseWhenClockIsOff(ports);
  if (options.consistency === 'one') {
    const held = await get(ports, repairs, key, options);
    if (held === undefined || held.tombstone) return false;
    await underCurrentRing(ports, key, options.timeoutMs, (attempt) =>
      bury(ports, repairs, attempt, held.version, 'one'),
    );
    return true;
  }

  return underCurrentRing(ports, key, options.timeoutMs, async (attempt) => {
    const asked = await askVersions(attempt);
    if (!asked.exists && asked.settled) return false;
    let newest = asked.newest;
    if (!asked.exists) {
      const timeoutMs = attempt.remainingMs;
      const held = await get(ports, repairs, key, { consistency: 'quorum', timeoutMs });
      if (held === undefined || held.tombstone) return false;
      newest = held.version; // a value was written between the two questions
    }
    await bury(ports, repairs, attempt, newest, options.consistency);
    return true;
  });
}

async function bury(
  ports: CoordinatorPorts,
  repairs: Repairs,
  attempt: Attempt,
  above: Version | undefined,
  level: OperationOptions['consistency'],
): Promise<void> {
  const version = await ports.versions.draw(above);
  const record = sealRecord({ key: attempt.key, version, content: { type: 'tombstone' } });
  await storeRecord(ports, repairs, attempt, record, level);
}
