const SHOWN_CHARACTERS = 64;

/** What a client sent, as an error's text shows it: in quotes, escaped, and not at any length. */
export function quoted(text: string): string {
  const short = text.length > SHOWN_CHARACTERS;
  return JSON.stringify(short ? `${text.slice(0, SHOWN_CHARACTERS)}...` : text);
}
