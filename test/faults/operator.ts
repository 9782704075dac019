/** What an operator asks of a cluster: over HTTP, of any node that runs. */
import type { Answer, FaultNode } from './fault-cluster.ts';
import { pause } from './pause.ts';

const DECIDED_WITHIN_MS = 30_000;

/** Resolves when it was decided that `leaver` goes; its data are on their way then. */
export async function sendAway(leaver: FaultNode, through: FaultNode): Promise<void> {
  const deadlineMs = performance.now() + DECIDED_WITHIN_MS;
  for (;;) {
    const answer = await askToLeave(leaver, through);
    if (answer.status === 202 || answer.status === 200) return;
    // Another change of the ring was decided at the same time; whoever still wants this one asks again.
    if (![409, 503].includes(answer.status) || performance.now() > deadlineMs)
      throw new Error(`${leaver.name} may not leave: ${answer.status} ${answer.body.toString()}`);
    await pause(50);
  }
}

function askToLeave(leaver: FaultNode, through: FaultNode): Promise<Answer> {
  return through.ask({ method: 'POST', path: `/cluster/members/${leaver.name}/leave` });
}
