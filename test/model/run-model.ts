/**
 * `make model`: explores every case, prints what each one found, and the counterexamples step by
 * step. Exit code 1 when one did not find what it should.
 */
import { CASES, type Case } from './cases.ts';
import { type Exploration, explore } from './explore.ts';

let surprises = 0;
let states = 0;
const began = performance.now();
for (const one of CASES) {
  const start = performance.now();
  const exploration = explore(one.model());
  states += exploration.states;
  if (isSurprise(one, exploration)) surprises += 1;
  print(one, exploration, (performance.now() - start) / 1000);
}
const seconds = (performance.now() - began) / 1000;
const memory = Math.round(process.resourceUsage().maxRSS / 1024);
console.log(
  `model: ${CASES.length} cases, ${surprises} surprises, ${states.toLocaleString('en')} states, ` +
    `${seconds.toFixed(0)} s, ${memory} MB`,
);
process.exitCode = surprises === 0 ? 0 : 1;

function isSurprise(one: Case, { counterexample }: Exploration): boolean {
  return (one.expected === 'nothing') !== (counterexample === undefined);
}

function print(one: Case, exploration: Exploration, seconds: number): void {
  const { counterexample, depth } = exploration;
  const omitted = one.omitted === undefined ? 'all rules' : `without "${one.omitted.rule}"`;
  const found =
    counterexample === undefined
      ? `nothing, all states to depth ${depth}`
      : `wrong after ${counterexample.steps.length} step(s)`;
  const surprise = isSurprise(one, exploration) ? `  <-- expected ${one.expected}` : '';
  const count = exploration.states.toLocaleString('en');
  console.log(
    `${one.name}, ${omitted}: ${found}; ${count} states, ${seconds.toFixed(1)} s${surprise}`,
  );
  if (counterexample === undefined) return;
  if (one.omitted !== undefined) console.log(`    (${one.omitted.instead})`);
  for (const [index, step] of counterexample.steps.entries()) {
    console.log(`    ${index + 1}. ${step}`);
  }
  console.log(`    => ${counterexample.flaw}`);
}
