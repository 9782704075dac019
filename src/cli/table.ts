/** Plain columns, two spaces apart: readable on a terminal and by `awk`, without colours. */

/** What came in an answer, for one cell: `-` for what is absent, no control characters. */
export function cell(value: unknown): string {
  if (value === undefined || value === null || value === '') return '-';
  return printable(typeof value === 'object' ? JSON.stringify(value) : String(value));
}

/** Columns in which every value is a number are set flush right. The last line has no line feed. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const columns = headings.map((heading, column) => {
    const cells = rows.map((row) => row[column] ?? '');
    return {
      width: Math.max(heading.length, ...cells.map((text) => text.length)),
      numeric: rows.length > 0 && cells.every((text) => /^(\d+|-)$/.test(text)),
    };
  });
  const lines = [headings, ...rows].map((row) =>
    columns
      .map(({ width, numeric }, column) => {
        const text = row[column] ?? '';
        return numeric ? text.padStart(width) : text.padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
  return lines.join('\n');
}

/** Keys and names come from anybody; none of them may move the cursor of who looks at them. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\x${code.toString(16).padStart(2, '0')}`;
  });
}
