/** How handlers put what they return. */
import type { Refusal, RefusalReason, Served } from './messages.ts';

export function served<Reply>(reply: Reply): Served<Reply> {
  return { ok: true, reply };
}

export function refused(reason: RefusalReason): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal: { reason } };
}
