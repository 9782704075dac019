import { expect, test } from 'vitest';
import { ClusterEvents } from '../../src/telemetry/cluster-events.ts';

test('a node keeps its latest events only', () => {
  const events = new ClusterEvents({ life: 'a', wallMs: () => 0 });
  for (let epoch = 1; epoch <= 600; epoch++)
    events.tell({ type: 'ring.settled', epoch, members: 3 });
  const { past, missed } = events.listen('a-1', () => undefined);
  expect([past.length, past[0]?.id, past.at(-1)?.id, missed]).toEqual([512, 'a-89', 'a-600', true]);
  expect(events.listen('a-599', () => undefined)).toMatchObject({
    past: [{ id: 'a-600' }],
    missed: false,
  });
});

test('who has stopped listening hears nothing any more', () => {
  const events = new ClusterEvents({ life: 'a', wallMs: () => 7 });
  const heard: unknown[] = [];
  const listening = events.listen(undefined, (told) => heard.push(told));
  events.tell({ type: 'member.alive', member: 'node2' });
  listening.stop();
  events.tell({ type: 'member.dead', member: 'node2' });
  expect(heard).toEqual([
    { id: 'a-1', timeMs: 7, event: { type: 'member.alive', member: 'node2' } },
  ]);
});
