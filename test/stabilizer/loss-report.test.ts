import { describe, expect, test } from 'vitest';
import type { Epoch } from '../../src/ids.ts';
import { PartialWrites } from '../../src/quorum/partial-writes.ts';
import { Ring } from '../../src/ring/ring.ts';
import { LossReport } from '../../src/stabilizer/loss-report.ts';
import { type ClusterEvent, ClusterEvents } from '../../src/telemetry/cluster-events.ts';
import { silentLog } from '../telemetry/silent-log.ts';
import { A, B, C, D, P, ringOf } from './copies.ts';

describe('the report of lost writes', () => {
  test('tells once how many no survivor confirmed, also when that ring is over already', () => {
    const { report, writes, membership, told } = newReport(ringOf(1, [A, B, C]));
    writes.note(P, 1 as Epoch, [A, B]);
    writes.note(P, 1 as Epoch, [A, C]);
    report.look();
    expect(told).toEqual([]);
    membership.survivorsRing = new Ring({ ...ringOf(2, [C], [C, D]), recovering: [P] });
    membership.ring = ringOf(3, [C, D]);
    report.look();
    report.look();
    expect(told).toEqual([{ type: 'writes.missing', epoch: 2, writes: 1 }]);
    writes.note(P, 3 as Epoch, [D]); // later, and no business of those survivors
    report.look();
    expect(told).toHaveLength(1);
  });

  test('forgets what a transition brought everywhere, and only that', () => {
    const { report, writes, membership } = newReport(ringOf(1, [A, B, C]));
    writes.note(P, 1 as Epoch, [A, B]);
    membership.ring = ringOf(2, [A, B, C], [A, B, C]); // other partitions change
    report.look();
    membership.ring = ringOf(3, [A, B, C]);
    report.look();
    expect(writes.size).toBe(1);
    membership.ring = ringOf(4, [A, B, C], [A, B, D]);
    report.look();
    membership.ring = ringOf(5, [A, B, D]);
    report.look();
    expect(writes.size).toBe(0);
  });
});

function newReport(ring: Ring) {
  const told: ClusterEvent[] = [];
  const events = new ClusterEvents({ life: 'life', wallMs: () => 0 });
  events.listen(undefined, ({ event }) => told.push(event));
  const writes = new PartialWrites();
  const membership = { ring, survivorsRing: undefined as Ring | undefined };
  const report = new LossReport({ membership, partialWrites: writes, events, log: silentLog });
  return { report, writes, membership, told };
}
