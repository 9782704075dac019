/** What `/readyz` says: nothing is the matter, or which checks fail and why. */
import type { HttpAnswer } from './exchange.ts';
import { jsonObjectOf, objectsIn } from './problem.ts';
import { cell } from './table.ts';

/** One line for each failing check; never empty, so that a refusal is never without a reason. */
export function unreadyChecks(answer: HttpAnswer): readonly string[] {
  const body = jsonObjectOf(answer);
  const failing = objectsIn(body?.['checks']).filter((check) => check['ok'] !== true);
  if (failing.length > 0) {
    return failing.map(({ name, detail }) => `${cell(name)}: ${cell(detail)}`);
  }
  return [body?.['detail'] === undefined ? `answered ${answer.status}` : cell(body['detail'])];
}
