/**
 * The command line: which commands there are, what they take, and how they end. What a command does
 * is in its own file.
 */
import { Command, CommanderError, Option } from 'commander';
import { type Flags, flagOf, parseDuration, SETTINGS, type Setting } from '../config.ts';
import { StartupError } from '../errors.ts';
import {
  type ChangeOptions,
  changeMember,
  changeReplicationFactor,
  type RemoveOptions,
  removeMembers,
} from './change-command.ts';
import { CommandError, EXIT, type ExitCode } from './command-error.ts';
import { deleteKey } from './delete-command.ts';
import type { DevOptions } from './dev-command.ts';
import { events } from './events-command.ts';
import { get } from './get-command.ts';
import { asWritten, checked, wholeNumber } from './option-value.ts';
import { type PutOptions, put } from './put-command.ts';
import {
  type RequestOptions,
  withConsistency,
  withNodeOptions,
  withUrlAndJson,
} from './request-options.ts';
import type { StartNode } from './start-command.ts';
import { type StatusOptions, status } from './status-command.ts';
import { tasks } from './tasks-command.ts';
import { processTerminal, type Terminal } from './terminal.ts';
import { packageVersion } from './version.ts';
import { where } from './where-command.ts';

export interface ProgramOptions {
  readonly startNode: StartNode;
  /** This process's own unless said otherwise. */
  readonly terminal?: Terminal;
  /** How this program was started: `dev` starts each node by it. */
  readonly nodeCommand?: readonly string[];
}

/** Runs what `argv` (as of `process.argv`) asks for; the exit code when it has ended. */
export async function runProgram(
  argv: readonly string[],
  options: ProgramOptions,
): Promise<ExitCode> {
  const terminal = options.terminal ?? processTerminal();
  const program = createProgram({ ...options, terminal });
  try {
    if (argv.length <= 2) await terminal.print(program.helpInformation());
    else await program.parseAsync(argv);
    return EXIT.ok;
  } catch (error) {
    return told(error, terminal);
  }
}

export function createProgram(options: ProgramOptions): Command {
  const terminal = options.terminal ?? processTerminal();
  const nodeCommand = options.nodeCommand ?? ownCommand();
  const program = new Command('quorate')
    .description('Quorate, a leaderless key-value store: run nodes, use their data, look at them.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .showHelpAfterError("(see 'quorate --help')")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.print(text).catch(() => undefined),
      writeErr: (text) => terminal.tell(text.trimEnd()),
    })
    .configureHelp({ showGlobalOptions: false })
    .addHelpText('after', AFTER_HELP);
  addNodeCommands(program, options.startNode, nodeCommand, terminal);
  addDataCommands(program, terminal);
  addClusterCommands(program, terminal);
  addChangeCommands(program, terminal);
  addOtherCommands(program, terminal);
  return program;
}

const AFTER_HELP = `
Try:
  quorate dev --nodes 5
  quorate put greeting hello
  quorate get greeting

Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 precondition failed,
            5 no quorum, 6 cannot connect, 7 timeout`;

function addNodeCommands(
  program: Command,
  startNode: StartNode,
  nodeCommand: readonly string[],
  terminal: Terminal,
): void {
  program.commandsGroup('Run nodes:');
  const start = program.command('start').description('run one node in this process');
  for (const setting of Object.values(SETTINGS)) start.addOption(optionOf(setting));
  start.action(async () => {
    const module = await import('./start-command.ts');
    await module.start(flagsOf(start), startNode, terminal);
  });

  program
    .command('dev')
    .description('run a whole cluster on this machine, each node a process of its own')
    .option('--nodes <count>', 'how many nodes', checked('--nodes', wholeNumber(1, 64)), 5)
    .option(
      '--port <port>',
      'port of node1, the next one of node2, ...; 0 picks free ones',
      checked('--port', wholeNumber(0, 65_535)),
      7401,
    )
    .option('--data-dir <folder>', 'where the nodes keep their data (default: a temporary folder)')
    .option(
      '--replication-factor <count>',
      SETTINGS.replicationFactor.help,
      checked('--replication-factor', asWritten(SETTINGS.replicationFactor.parse)),
    )
    .option(
      '--ready-within <duration>',
      'how long the nodes may take to be ready',
      checked('--ready-within', asWritten(parseDuration)),
      '30s',
    )
    .option('--json', 'print the nodes as one line of JSON')
    .addHelpText(
      'after',
      `\nThe nodes take their other settings from QUORATE_* in the environment.`,
    )
    .action(async (options: DevOptions) => {
      const module = await import('./dev-command.ts');
      await module.dev(options, nodeCommand, terminal);
    });
}

function addDataCommands(program: Command, terminal: Terminal): void {
  program.commandsGroup('Use data:');
  withConsistency(withNodeOptions(program.command('get')))
    .description("print a key's value, byte for byte")
    .argument('<key>')
    .action((key: string, options: RequestOptions) => get(key, options, terminal));

  withConsistency(withNodeOptions(program.command('put')))
    .description('store a value under a key')
    .argument('<key>')
    .argument('[value]', 'the value; - or none: standard input')
    .option('--file <file>', 'take the value from a file')
    .option('--content-type <type>', 'what the value is, such as application/json')
    .action((key: string, value: string | undefined, options: PutOptions) =>
      put(key, value, options, terminal),
    );

  withConsistency(withNodeOptions(program.command('delete')))
    .description('delete a key')
    .argument('<key>')
    .action((key: string, options: RequestOptions) => deleteKey(key, options, terminal));
}

function addClusterCommands(program: Command, terminal: Terminal): void {
  program.commandsGroup('Look at a cluster:');
  withNodeOptions(program.command('status'))
    .description('list the members and how they are')
    .option('--ready', 'only say whether the node takes requests: exit code 0 or 1')
    .action((options: StatusOptions) => status(options, terminal));

  withNodeOptions(program.command('where'))
    .description('show which replicas keep a key, and what each holds of it')
    .argument('<key>')
    .action((key: string, options: RequestOptions) => where(key, options, terminal));

  withNodeOptions(program.command('tasks'))
    .description('list what runs in the background, and what of it has ended')
    .action((options: RequestOptions) => tasks(options, terminal));

  withUrlAndJson(program.command('events'))
    .description('follow what happens to members and rings, until ctrl-c')
    .action((options: RequestOptions) => events(options, terminal));
}

function addChangeCommands(program: Command, terminal: Terminal): void {
  program.commandsGroup('Change a cluster:');
  const node = program.command('node').description('send members away, or give them up');
  const descriptions = {
    leave: 'let a living member hand its data over and leave',
    replace: 'give what a dead member kept to others now; it may come back as a new member',
  } as const;
  for (const change of ['leave', 'replace'] as const) {
    withChangeOptions(node.command(change))
      .description(descriptions[change])
      .argument('<name>', 'of the member')
      .action((name: string, options: ChangeOptions) =>
        changeMember(change, name, options, terminal),
      );
  }

  withChangeOptions(node.command('remove'))
    .description('give up a dead member, without waiting for the grace period')
    .argument('<names...>', 'of the member; with --force of all that are gone for good')
    .option('--force', 'though too few members or copies are left: what only they kept is lost')
    .action((names: readonly string[], options: RemoveOptions) =>
      removeMembers(names, options, terminal),
    );

  withChangeOptions(program.command('replication-factor'))
    .description('change how many copies of each key are kept')
    .argument('<count>', 'copies, 1 to 7', checked('<count>', wholeNumber(1, 7)))
    .action((count: number, options: ChangeOptions) =>
      changeReplicationFactor(count, options, terminal),
    );
}

function withChangeOptions(command: Command): Command {
  return withNodeOptions(command)
    .option('--dry-run', 'only say what it would move')
    .option('--yes', 'do not ask')
    .option('--no-wait', 'do not wait until it is done');
}

function addOtherCommands(program: Command, terminal: Terminal): void {
  program.commandsGroup('Other commands:');
  program.helpCommand('help [command]', 'print the help of a command');
  program
    .command('version')
    .description('print the version')
    .option('--json', 'one line of JSON on standard output')
    .action((options: { readonly json?: boolean }) => {
      const version = packageVersion();
      const node = process.version;
      return options.json === true
        ? terminal.printJson({ version, node })
        : terminal.printLine(`quorate ${version} (node ${node})`);
    });
}

/** `[node, its options, main.js]`. A debugger's port cannot be shared, so its options stay behind. */
function ownCommand(): readonly string[] {
  const nodeOptions = process.execArgv.filter((option) => !option.startsWith('--inspect'));
  return [process.execPath, ...nodeOptions, process.argv[1] ?? ''];
}

function optionOf(setting: Setting): Option {
  const { env, placeholder, fallback, help } = setting;
  const shown = fallback === undefined || fallback === '' ? '' : `, default: ${fallback}`;
  const option = new Option(`${flagOf(setting)} <${placeholder}>`, `${help} (${env}${shown})`);
  // Only checked here; what counts is what `loadConfig` makes of it.
  return option.argParser(checked(flagOf(setting), asWritten(setting.parse)));
}

function flagsOf(start: Command): Flags {
  const given = start.opts<Readonly<Record<string, string | undefined>>>();
  const flags = Object.entries(SETTINGS).map(([key, setting]) => {
    const value = given[new Option(flagOf(setting)).attributeName()];
    return [key, value] as const;
  });
  return Object.fromEntries(flags.filter(([, value]) => value !== undefined));
}

/** Says what went wrong, unless it was said already. */
function told(error: unknown, terminal: Terminal): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof CommandError) {
    terminal.tell(`quorate: ${error.message}`);
    return error.exitCode;
  }
  terminal.tell(`quorate: ${textOf(error)}`);
  return EXIT.error;
}

/** A port in use or a folder that cannot be read needs a sentence; a bug of ours needs its trace. */
function textOf(error: unknown): string {
  if (error instanceof StartupError || isSystemError(error)) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error;
}
