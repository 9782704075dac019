import { ClientError } from '../errors.ts';
import type { Key } from '../ids.ts';
import { type SealedRecord, sealRecord } from '../version/record-codec.ts';
import type { Version } from '../version/version.ts';
import type { Attempt, CoordinatorPorts } from './attempt.ts';
import { refuseWhenClockIsOff } from './clock-gate.ts';
import { drawVersion } from './draw-version.ts';
import { getUnder } from './get.ts';
import type { OperationOptions } from './operations.ts';
import { askVersions, refuseUnderPressure } from './phase-one.ts';
import { storeRecord } from './phase-two.ts';
import type { Repairs } from './repairs.ts';
import { underCurrentRing } from './under-current-ring.ts';

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
  const { consistency: level, timeoutMs } = options;
  return underCurrentRing(ports, key, timeoutMs, async (attempt) => {
    const above =
      level === 'one'
        ? await heldUnder(ports, repairs, attempt, 'one')
        : await newestValue(ports, repairs, attempt, level);
    if (above === undefined) return false;
    const version = await drawVersion(ports, attempt, above);
    const record = sealRecord({ key, version, content: { type: 'tombstone' } });
    await storeRecord(ports, repairs, attempt, record, level);
    return true;
  });
}

/** The version of the value to delete; `undefined` when a quorum is known to hold none. */
async function newestValue(
  ports: CoordinatorPorts,
  repairs: Repairs,
  attempt: Attempt,
  level: 'quorum' | 'all',
): Promise<Version | undefined> {
  const asked = await askVersions(attempt);
  if (asked.exists) {
    refuseUnderPressure(attempt, asked, level, 'tombstone');
    return asked.newest;
  }
  return asked.settled ? undefined : heldUnder(ports, repairs, attempt, 'quorum');
}

/** The same by a read, with the write-back that it owes. Its failure is the delete's: nothing was sent. */
async function heldUnder(
  ports: CoordinatorPorts,
  repairs: Repairs,
  attempt: Attempt,
  level: 'one' | 'quorum',
): Promise<Version | undefined> {
  let held: SealedRecord | undefined;
  try {
    held = await getUnder(ports, repairs, attempt, level);
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    const { code, required, acknowledged, replicas } = error;
    // biome-ignore lint/style/useErrorCause: a ClientError takes the cause among its details.
    throw new ClientError(code, `${error.message}. Nothing was deleted`, {
      outcome: 'not_applied',
      ...(required === undefined ? {} : { required }),
      ...(acknowledged === undefined ? {} : { acknowledged }),
      ...(replicas === undefined ? {} : { replicas }),
      cause: error,
    });
  }
  return held === undefined || held.tombstone ? undefined : held.version;
}
