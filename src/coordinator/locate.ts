import type { Key } from '../ids.ts';
import type { Replies } from '../rpc/messages.ts';
import type { Answer } from '../rpc/transport.ts';
import { type CoordinatorPorts, stateOf } from './attempt.ts';
import type { KeyLocation, KeyReplica } from './operations.ts';
import { underCurrentRing } from './under-current-ring.ts';

/** Where a key lives, and what each replica says that it holds of it. @throws ClientError */
export function locate(ports: CoordinatorPorts, key: Key, timeoutMs: number): Promise<KeyLocation> {
  return underCurrentRing(ports, key, timeoutMs, async (attempt) => {
    const { ring, partition, nodes } = attempt;
    const request = { type: 'replica.version', epoch: ring.epoch, key, level: 'quorum' } as const;
    const answers = await attempt.gather<'replica.version'>(nodes, () => request).rest();
    const byNode = new Map(answers.map((answer) => [answer.from, answer]));
    const replicas = nodes.map((id): KeyReplica => {
      const node = attempt.nameOf(id);
      const answer = byNode.get(id);
      if (answer === undefined) return { node, id, version: undefined, state: 'timeout' };
      return { node, id, ...describe(answer) };
    });
    const token = ring.tokenOf(key).toString(16).padStart(16, '0');
    return { key, token, partition, replicas };
  });
}

function describe(
  answer: Answer<Replies['replica.version']>,
): Pick<KeyReplica, 'version' | 'state'> {
  if (!answer.ok) return { version: undefined, state: stateOf(answer) };
  const { version, tombstone } = answer.reply;
  if (version === undefined) return { version, state: 'missing' };
  return { version, state: tombstone ? 'deleted' : 'ok' };
}
