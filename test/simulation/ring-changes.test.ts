import { describe, expect, test } from 'vitest';
import { Story } from '../simulator/story.ts';

describe('a node that asks to be taken in', () => {
  test('becomes a member, and the ring settles', async () => {
    const story = await Story.begin({ nodes: 3 });
    await story.put(1, 'k', 'v');
    const newcomer = story.cluster.add('node4');
    story.cluster.start(newcomer);
    await story.until(() => newcomer.node?.cluster.ring()?.epoch === 3);
    expect(await story.get(4, 'k')).toBe('v');
  });
});
