const DAY_MS = 86_400_000;
const WEEKDAYS = ['Thu', 'Fri', 'Sat', 'Sun', 'Mon', 'Tue', 'Wed'];
const MONTHS = [
  ...['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun'],
  ...['Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'],
];
/** The last moment that four digits of a year can name. */
const LAST_MS = 253_402_300_799_999;

/**
 * `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7) of milliseconds since 1970, not before. Computed
 * here because `Date` is for the clock port alone.
 */
export function httpDate(milliseconds: number): string {
  const time = Math.min(Math.floor(milliseconds), LAST_MS);
  const days = Math.floor(time / DAY_MS);
  const seconds = Math.floor((time - days * DAY_MS) / 1000);
  const { year, month, day } = civil(days);
  const hour = padded(Math.floor(seconds / 3600), 2);
  const minute = padded(Math.floor(seconds / 60) % 60, 2);
  const second = padded(seconds % 60, 2);
  return (
    `${WEEKDAYS[days % 7]}, ${padded(day, 2)} ${MONTHS[month]} ${padded(year, 4)}` +
    ` ${hour}:${minute}:${second} GMT`
  );
}

interface CivilDay {
  readonly year: number;
  /** From 0. */
  readonly month: number;
  /** From 1. */
  readonly day: number;
}

/** The proleptic Gregorian day, `days` after 1970-01-01: years are counted from March, leap day last. */
function civil(days: number): CivilDay {
  const sinceYear0 = days + 719_468;
  const era = Math.floor(sinceYear0 / 146_097);
  const dayOfEra = sinceYear0 - era * 146_097;
  const leapDays = -Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524);
  const yearOfEra = Math.floor((dayOfEra + leapDays - Math.floor(dayOfEra / 146_096)) / 365);
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = (monthFromMarch + 2) % 12;
  return {
    year: yearOfEra + era * 400 + (month <= 1 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1,
  };
}

function padded(value: number, digits: number): string {
  return value.toString().padStart(digits, '0');
}
