import { destination, type Level, type Logger, pino } from 'pino';
import type { Config } from '../config.ts';
import type { Log, LogFields } from './log.ts';

type LogLevel = Config['logLevel'];

/** JSON lines on standard error; `name` is the node's. Synchronous, so that the last words are not lost. */
export function pinoLog(name: string, level: LogLevel): Log {
  const logger = pino(
    {
      level,
      base: { node: name },
      redact: { paths: ['secret', '*.secret', 'clusterSecret', '*.clusterSecret'], censor: '***' },
    },
    destination({ fd: 2, sync: true }),
  );
  return {
    error: writer(logger, 'error'),
    warn: writer(logger, 'warn'),
    info: writer(logger, 'info'),
    debug: writer(logger, 'debug'),
  };
}

function writer(logger: Logger, level: Level): (sentence: string, fields?: LogFields) => void {
  return (sentence, fields) => {
    if (fields === undefined) logger[level](sentence);
    else logger[level](fields, sentence);
  };
}
